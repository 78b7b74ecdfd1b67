#!/usr/bin/env bash
# Measures every number that the documentation shows, and writes the tables and plots: benches/results,
# BENCHMARKS.md, docs/plots and the marked parts of README.md. Only over loopback; no process stays.
#
#   scripts/numbers.sh [--only PART]... [--runs N] [--quick]
#   scripts/numbers.sh --report
#
#   --only PART   measure this part only, and keep what is known of the others; may be given again:
#                 peers      the comparison in memory (two minutes)
#                 load       servers: idle memory, upgrades, echoes, latencies, broadcasts, and
#                            many rounds beside the bare loop (16 minutes)
#                 notifier   the mail notifier (four minutes a run)
#   --runs N      so many runs of the mail notifier, 1 to 5; 3 without it
#   --quick       a try of a few minutes that says nothing, written to target/numbers/tree
#   --report      measure nothing, only write tables and plots from the results that are there
#   --help        print this, and end
#
# All parts take half an hour, and an hour at most, besides building everything the first time. The
# machine should have nothing else to do. Measuring the load needs 20,000 descriptors for each process
# and two cores; what the kernel takes for a connection is only exact as root.
#
# Status 2: wrong words. Status 3: something is missing here. Logs are in target/numbers.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }
# told STATUS WORDS: ends with a line.
told() {
  echo "numbers: $2" >&2
  exit "$1"
}
wrong() { told 2 "$1; scripts/numbers.sh --help tells more"; }

only=
runs=3
quick=
report=
while [ $# -gt 0 ]; do
  case $1 in
    --only)
      case ${2-} in
        peers | load | notifier) only+=" $2" ;;
        '') wrong '--only needs a part' ;;
        *) wrong "no part is called $2" ;;
      esac
      shift
      ;;
    --runs)
      case ${2-} in
        [1-5]) runs=$2 ;;
        *) wrong '--runs needs a number from 1 to 5' ;;
      esac
      shift
      ;;
    --quick) quick=yes ;;
    --report) report=yes ;;
    --help | -h) usage; exit 0 ;;
    *) wrong "unknown: $1" ;;
  esac
  shift
done
[ -z "$report" ] || [ -z "$only$quick" ] || wrong '--report measures nothing: it goes alone'
wants() { [ -z "$report" ] && [[ -z $only || " $only " = *" $1 "* ]]; }

for program in cargo rustc awk timeout; do
  command -v "$program" >/dev/null || told 3 "there is no $program"
done
if [ -z "$report" ]; then
  [ -r /proc/stat ] || told 3 'only Linux tells what is asked here'
fi
if wants load || wants notifier; then
  ulimit -Sn 20000 2>/dev/null ||
    told 3 "20,000 descriptors are needed, and $(ulimit -Hn) are allowed: see ulimit -n"
fi
if wants load; then
  [ "$(nproc)" -ge 2 ] || told 3 'a core for the servers and one for the load are needed'
fi

# Everything is built in one folder, and what runs is copied, because others build there too.
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
out=$CARGO_TARGET_DIR/numbers
bin=$out/bin
mkdir -p "$bin"

# build FOLDER PROGRAM...: programs of a crate in benches, in release.
build() {
  local crate=$1
  shift
  echo "building $crate"
  cargo build --release --quiet --locked --bins --manifest-path "benches/$crate/Cargo.toml"
  for program; do install "$CARGO_TARGET_DIR/release/$program" "$bin"; done
}
build report dormouse-report
if wants peers; then build peers dormouse-peers; fi
if wants load; then
  build peers echo_floor echo_tungstenite echo_fastwebsockets echo_tokio_websockets echo_soketto echo_yawc
  build load load room_mio
  # With the optimizations of its peers.
  cargo build --profile bench --quiet --locked --example echo_mio
  install "$CARGO_TARGET_DIR/release/examples/echo_mio" "$bin"
fi
if wants notifier; then
  echo 'building the notifier'
  cargo bench --quiet --locked --bench notifier --no-run
  cargo build --release --quiet --locked --examples
fi
export PATH=$bin:$PATH

root=$PWD
if [ -n "$quick" ]; then
  root=$out/tree
  mkdir -p "$root/benches/results"
  cp README.md "$root"
  for known in benches/results/*.json; do
    if [ -e "$known" ]; then cp "$known" "$root/benches/results"; fi
  done
fi

# What is measured runs beside this script, in a process group of its own, so that all of it ends with it.
running=
clean_up() {
  [ -z "$running" ] || kill -- "-$running" 2>/dev/null || true
}
trap clean_up EXIT
trap 'told 1 interrupted' HUP INT TERM

# measure SECONDS LOG COMMAND...: runs a command with a bound, and returns its status.
measure() {
  local seconds=$1 log=$2 status=0
  shift 2
  echo "measuring: $*"
  set -m
  timeout --kill-after=10 "$seconds" "$@" >"$log" 2>&1 &
  set +m
  running=$!
  wait "$running" || status=$?
  running=
  [ "$status" -ne 124 ] || echo "numbers: not done after $seconds s, see $log" >&2
  return "$status"
}

# How many cores have something to do while nothing is measured here.
busy_cores() {
  local before after
  before=$(grep '^cpu ' /proc/stat)
  sleep 2
  after=$(grep '^cpu ' /proc/stat)
  printf '%s\n%s\n' "$before" "$after" | awk -v cores="$(nproc --all)" '
    { idle = $5 + $6 - idle; all = $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 - all }
    END { if (all > 0) printf "%.2f", cores * (1 - idle / all); else print 0 }'
}
busy=
look_around() {
  busy=$(busy_cores)
  if awk -v busy="$busy" 'BEGIN { exit busy < 0.3 }'; then
    echo "numbers: the machine is busy with something else, $busy cores of it" >&2
  fi
}

# keep PART COMMAND FILE...: takes the results over.
keep() {
  local part=$1 command=$2
  shift 2
  dormouse-report --root "$root" --keep "$part" --command "$command" --busy-cores "$busy" "$@"
}

# The command as somebody would type it.
typed() {
  local word text=
  for word; do
    case $word in
      *[!a-zA-Z0-9_.,/=-]*) text+=" '$word'" ;;
      *) text+=" $word" ;;
    esac
  done
  printf '%s' "${text# }"
}

# version PACKAGE: that of a peer.
version() {
  awk -v name="\"$1\"" '$1 == "name" && $3 == name { getline; gsub(/"/, "", $3); print $3; exit }' \
    benches/peers/Cargo.lock
}

# serve NAME PACKAGE COMMAND: one more server for the next load.
servers=()
serve() {
  local named=$1
  [ -z "$2" ] || named+=@$(version "$2")
  servers+=(--server "$named=$3 {addr}")
}

# load_with SECONDS PART WORDS...: loads all servers. One that fails is in the tables as such.
load_with() {
  local seconds=$1 part=$2 status=0
  shift 2
  local command=(load "$@" --json "$part.json" "${servers[@]}")
  rm -f "$out/$part.json"
  look_around
  pushd "$out" >/dev/null
  measure "$seconds" "$out/$part.log" "${command[@]}" || status=$?
  popd >/dev/null
  if [ "$status" -gt 1 ] || [ ! -s "$out/$part.json" ]; then
    told 1 "the load has failed, see $out/$part.log"
  fi
  keep "$part" "$(typed "${command[@]}")" "$out/$part.json"
}

if wants peers; then
  words=()
  [ -z "$quick" ] || words=(--quick)
  rm -f "$out/peers.json"
  look_around
  measure 300 "$out/peers.log" dormouse-peers "${words[@]}" --json "$out/peers.json" ||
    told 1 "the comparison has failed, see $out/peers.log"
  keep peers "$(typed dormouse-peers "${words[@]}" --json peers.json)" "$out/peers.json"
fi

if wants load; then
  serve floor '' echo_floor
  serve dormouse dormouse echo_mio
  serve tungstenite tungstenite echo_tungstenite
  common=("${servers[@]}")
  serve tungstenite-small tungstenite 'echo_tungstenite --small'
  serve fastwebsockets fastwebsockets echo_fastwebsockets
  serve tokio-websockets tokio-websockets echo_tokio_websockets
  serve soketto soketto echo_soketto
  serve soketto-small soketto 'echo_soketto --small'
  serve yawc yawc echo_yawc
  serve yawc-small yawc 'echo_yawc --small'
  words=(--rounds 1)
  [ -z "$quick" ] || words=(--rounds 1 --idle '500,1500')
  load_with 480 idle idle "${words[@]}"

  servers=("${common[@]}")
  serve tungstenite-batched tungstenite 'echo_tungstenite --batched'
  serve fastwebsockets fastwebsockets echo_fastwebsockets
  serve tokio-websockets tokio-websockets echo_tokio_websockets
  serve tokio-websockets-batched tokio-websockets 'echo_tokio_websockets --batched'
  serve soketto soketto echo_soketto
  serve yawc yawc echo_yawc
  serve yawc-batched yawc 'echo_yawc --batched'
  words=(--rounds 5 --seconds 0.4)
  [ -z "$quick" ] || words=(--rounds 1 --seconds 0.2)
  load_with 900 load upgrade echo latency "${words[@]}"

  # What is between these two is little, and takes many rounds to tell from chance.
  servers=()
  serve floor '' echo_floor
  serve dormouse dormouse echo_mio
  serve floor-again '' echo_floor
  words=(--rounds 41 --seconds 0.3)
  [ -z "$quick" ] || words=(--rounds 1 --seconds 0.2)
  load_with 480 bare upgrade echo "${words[@]}"

  servers=()
  serve floor '' echo_floor
  serve dormouse dormouse room_mio
  serve tungstenite tungstenite 'echo_tungstenite --room'
  serve tokio-websockets tokio-websockets 'echo_tokio_websockets --room'
  serve yawc yawc 'echo_yawc --room'
  words=(--rounds 5 --seconds 0.4)
  [ -z "$quick" ] || words=(--rounds 1 --seconds 0.2)
  load_with 180 broadcast broadcast "${words[@]}"
fi

if wants notifier; then
  parts=()
  [ -z "$quick" ] || { runs=1; parts=(descriptors); }
  files=()
  look_around
  for ((run = 1; run <= runs; run++)); do
    file=$out/notifier-$run.json
    rm -f "$file"
    measure 270 "$out/notifier-$run.log" \
      cargo bench --quiet --locked --bench notifier -- "${parts[@]}" --json "$file" ||
      told 1 "the notifier has failed, see $out/notifier-$run.log"
    files+=("$file")
  done
  keep notifier "$(typed cargo bench --bench notifier -- "${parts[@]}" --json notifier.json)" "${files[@]}"
fi

dormouse-report --root "$root"
