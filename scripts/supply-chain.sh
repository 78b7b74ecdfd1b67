#!/usr/bin/env bash
# What a user takes along with the crate: licences and duplicates of its dependencies, known
# vulnerabilities, the package itself, and whether its API is compatible with the last release.
#
#   scripts/supply-chain.sh [--baseline REVISION]
#
#   --baseline REVISION   compare the API with this one instead of the last release
#
# Installs cargo-deny if it is not there, and cargo-semver-checks when there is a release, a tag `v*`, to
# compare with.
set -euo pipefail
cd "$(dirname "$0")/.."

baseline=$({ git tag --list 'v*' --sort=-version:refname || echo "no history here" >&2; } | head -1)
case ${1-} in
  '') ;;
  --baseline) baseline=${2:?--baseline needs a revision} ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
has() { cargo "$1" --version >/dev/null 2>&1; }

echo "dependencies"
has deny || cargo install --locked --quiet cargo-deny
cargo deny --locked check licenses bans sources
if cargo deny fetch db >/dev/null 2>&1; then
  cargo deny --locked check advisories
else
  echo "SKIPPED: no database of advisories within reach"
fi

# A package holds what is needed to build and read it; building it shows that it needs nothing else.
# Hosted runs also refuse what is not committed.
echo "package"
cargo package --locked --quiet --target-dir target $([ -n "${CI-}" ] || echo --allow-dirty)
package=$(ls -t target/package/dormouse-*.crate | head -1)
size=$(stat --format=%s "$package")
echo "$(basename "$package"): $(tar tzf "$package" | wc -l) files, $size bytes"
most=131072
[ "$size" -le "$most" ] || { echo "the package is larger than $most bytes" >&2; exit 1; }
if tar tzf "$package" | grep -vE '^[^/]*/(src/.*\.rs|README\.md|CHANGELOG\.md|CONFORMANCE\.md|LICENSE-[A-Z]*|Cargo\.(toml|lock)|Cargo\.toml\.orig|\.cargo_vcs_info\.json)$'; then
  echo "the package has files that nobody needs" >&2
  exit 1
fi

echo "compatibility"
if [ -n "$baseline" ]; then
  has semver-checks || cargo install --locked --quiet cargo-semver-checks
  cargo semver-checks --baseline-rev "$baseline" --all-features
else
  echo "there is no release to be compatible with"
fi
