#!/usr/bin/env bash
# Runs the Autobahn WebSocket test suite against the examples, in both directions over loopback, and
# fails unless every case is OK or INFORMATIONAL. Both programs run with --deflate; the suite asks for
# compression, or agrees to it, only in its chapters 12 and 13.
#
#   scripts/autobahn.sh [--server | --client] [--cases LIST] [--reports DIR] [--if-available]
#
#   --server         only echo_mio as the server
#   --client         only autobahn_client as the client
#   --cases LIST     such as '1.*,9.1.*'; the default is all chapters that the suite has
#   --reports DIR    where the reports go (default target/autobahn)
#   --if-available   succeed with a line of warning where the suite is not installed
#
# The suite is `wstest`, from the variable WSTEST or from PATH, or else the container image
# crossbario/autobahn-testsuite, if docker or podman has an engine that runs.
set -euo pipefail
cd "$(dirname "$0")/.."

directions='server client'
cases='1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*,12.*,13.*'
reports=target/autobahn
if_available=
while [ $# -gt 0 ]; do
  case $1 in
    --server) directions=server ;;
    --client) directions=client ;;
    --cases) cases=${2:?--cases needs a list}; shift ;;
    --reports) reports=${2:?--reports needs a folder}; shift ;;
    --if-available) if_available=yes ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done

image=docker.io/crossbario/autobahn-testsuite
engine=
wstest=${WSTEST:-$(command -v wstest || true)}
if [ -z "$wstest" ]; then
  for candidate in docker podman; do
    if "$candidate" info >/dev/null 2>&1; then engine=$candidate; break; fi
  done
  if [ -z "$engine" ]; then
    echo 'autobahn: no wstest on PATH or in WSTEST, and no docker or podman that runs' >&2
    [ -n "$if_available" ] && exit 0
    exit 1
  fi
elif ! command -v "$wstest" >/dev/null; then
  echo "autobahn: WSTEST is not a program: $wstest" >&2
  exit 1
fi

# Only what an earlier run has left: the folder may be anybody's.
mkdir -p "$reports"
reports=$(cd "$reports" && pwd)
for direction in server client; do
  rm -rf "${reports:?}/$direction" "$reports/$direction.json" "$reports/$direction.log"
done
rm -f "$reports/echo_mio.log" "$reports/fuzzingserver.log"

# What runs beside this script, each a process group of its own so that its children end with it.
started=()
clean_up() {
  for pid in "${started[@]}"; do
    kill -- "-$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  if [ -n "$engine" ]; then
    "$engine" rm -f "autobahn-server-$$" "autobahn-client-$$" >/dev/null 2>&1 || true
  fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM
start() {
  set -m
  "$@" &
  set +m
  started+=($!)
}

# wstest MODE: runs the suite with the configuration $reports/MODE.json.
suite() {
  if [ -n "$engine" ]; then
    exec "$engine" run --rm --name "autobahn-$1-$$" --network host --volume "$reports:$reports" \
      "$image" wstest -m "$2" -s "$reports/$1.json"
  fi
  exec "$wstest" -m "$2" -s "$reports/$1.json"
}

# The line that a program prints when it is ready to be connected to, waited for with a bound.
wait_for() {
  for _ in $(seq 300); do
    if grep -q "$2" "$1" 2>/dev/null; then return; fi
    sleep 0.1
  done
  echo "autobahn: nothing was ready after 30 s, see $1" >&2
  return 1
}

cargo build --release --quiet --features deflate --example echo_mio --example autobahn_client
target=$(cargo metadata --format-version 1 --no-deps |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
programs=$target/release/examples

test_server() {
  start "$programs/echo_mio" --deflate 127.0.0.1:0 > "$reports/echo_mio.log" 2>&1
  wait_for "$reports/echo_mio.log" '^listening on '
  address=$(sed -n 's/^listening on //p' "$reports/echo_mio.log")
  python3 scripts/autobahn/reports.py configure server "$address" "$cases" "$reports"
  start suite server fuzzingclient > "$reports/server.log" 2>&1
}

test_client() {
  port=$(python3 scripts/autobahn/reports.py port)
  python3 scripts/autobahn/reports.py configure client "127.0.0.1:$port" "$cases" "$reports"
  start suite client fuzzingserver > "$reports/fuzzingserver.log" 2>&1
  # The suite buffers what it prints, so its port is what tells that it is ready.
  for _ in $(seq 300); do
    if (: > "/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    sleep 0.1
  done
  start "$programs/autobahn_client" --deflate "ws://127.0.0.1:$port" > "$reports/client.log" 2>&1
}

# The two directions run beside each other; most of the time is spent in the suite.
status=0
running=()
for direction in $directions; do
  "test_$direction"
  running+=("$!")
done
set -- $directions
for pid in "${running[@]}"; do
  if ! wait "$pid"; then
    echo "autobahn: the $1 direction did not end well, see $reports/$1.log" >&2
    status=1
  fi
  shift
done
for direction in $directions; do
  python3 scripts/autobahn/reports.py judge "$direction" "$cases" "$reports" || status=1
done
exit "$status"
