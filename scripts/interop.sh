#!/usr/bin/env bash
# Compressed messages with libraries of other makers, over loopback: the clients of `websockets` and
# `aiohttp` (Python) and of `ws` (Node) against `echo_mio --deflate`, and `client --deflate` against the
# servers of the first two.
#
#   scripts/interop.sh
#
# Installs the libraries into one folder (default ~/.cache/dormouse-interop). Needs Python 3 with venv; says
# so and leaves `ws` out where there is no Node with npm.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${XDG_CACHE_HOME:-$HOME/.cache}/dormouse-interop

if [ ! -x "$folder/bin/python" ]; then
  python3 -m venv "$folder" >/dev/null || { echo "interop: no Python 3 with venv" >&2; exit 3; }
fi
"$folder/bin/python" -c 'import aiohttp, websockets' 2>/dev/null ||
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check 'aiohttp==3.*' 'websockets==17.*'
if command -v npm >/dev/null; then
  [ -d "$folder/node_modules/ws" ] || npm install --silent --no-audit --no-fund --prefix "$folder" ws@8
else
  echo "SKIPPED: no npm, so not with the library ws"
fi

cargo build --release --quiet --features deflate --example echo_mio --example client
target=$(cargo metadata --format-version 1 --no-deps |
  "$folder/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
log=$(mktemp)
"$target/release/examples/echo_mio" --deflate 127.0.0.1:0 >"$log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 100); do grep -q '^listening on ' "$log" && break; sleep 0.1; done
url=ws://$(sed -n 's/^listening on //p' "$log")

timeout 120 "$folder/bin/python" scripts/interop/clients.py "$url"
if [ -d "$folder/node_modules/ws" ]; then
  NODE_PATH=$folder/node_modules timeout 120 node scripts/interop/client.js "$url"
fi
timeout 120 "$folder/bin/python" scripts/interop/servers.py "$target/release/examples/client"
