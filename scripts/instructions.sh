#!/bin/sh
# Compares the instructions that the hot paths take with benches/instructions.txt, and fails where they
# are more. Status 3 where that would compare something else: without valgrind, on another processor, or
# with another compiler than the file names.
set -eu
cd "$(dirname "$0")/.."
named=$(sed -n 's/^# \(rustc .*\)/\1/p' benches/instructions.txt)
if ! command -v valgrind >/dev/null; then
  echo "no valgrind" >&2; exit 3
elif ! grep -qw avx2 /proc/cpuinfo; then
  echo "no processor with AVX2" >&2; exit 3
elif [ "$(rustc --version)" != "$named" ]; then
  echo "the file is for $named" >&2; exit 3
fi
cargo bench --quiet --locked --bench instructions
