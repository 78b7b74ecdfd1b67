#!/usr/bin/env bash
# Runs fuzz targets for a bounded time, from the seeds and what earlier runs have found:
#
#   scripts/fuzz.sh SECONDS [TARGET...]      each target for so long; without names, all of them
#
# A finding stops the script: its input is under fuzz/artifacts/TARGET. What has been mended becomes a
# seed, so that `cargo test` tries it ever after.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
  '' | 0 | *[!0-9]*) sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
seconds=$1
shift
cd fuzz
targets=$(cargo +nightly fuzz list)
mapfile -t all <<<"$targets"
[ $# -gt 0 ] || set -- "${all[@]}"
for target; do
  printf '%s\n' "${all[@]}" | grep -qx -- "$target" || { echo "no such target: $target" >&2; exit 2; }
done
for target; do
  mkdir -p "corpus/$target"
  cargo +nightly fuzz run "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
    -dict=dictionary -print_final_stats=1 2>"corpus/$target.log" ||
    { tail -40 "corpus/$target.log" >&2; exit 1; }
  grep -E '^Done|DONE' "corpus/$target.log" | sed "s/^/$target: /"
done
