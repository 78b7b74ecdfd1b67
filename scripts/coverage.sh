#!/usr/bin/env bash
# Line coverage of `src/` by the tests of the library. Prints each file that has lines which no test runs,
# with their numbers, and fails below 98 %.
#
#   scripts/coverage.sh
#
# The lines of the tests themselves do not count. Installs cargo-llvm-cov if it is not there. It needs
# the tools of the compiler's own LLVM: the component `llvm-tools`, or Debian's package of that version.
set -euo pipefail
cd "$(dirname "$0")/.."
least=98

version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
has_tools() { compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/llvm-cov" >/dev/null; }
if ! has_tools && command -v "llvm-cov-$version" >/dev/null; then
  export LLVM_COV=llvm-cov-$version LLVM_PROFDATA=llvm-profdata-$version
elif ! has_tools; then
  echo "no llvm-cov of LLVM $version: rustup component add llvm-tools, or install llvm-$version" >&2
  exit 3
fi
cargo llvm-cov --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-llvm-cov

suites=$(scripts/library-tests.sh)
mkdir -p target
# shellcheck disable=SC2086 # a list of arguments
cargo llvm-cov --locked --quiet --all-features $suites --lcov --output-path target/coverage.lcov \
  >target/coverage.log 2>&1 || { tail -40 target/coverage.log >&2; exit 1; }

awk -v root="$PWD/" -v least="$least" '
  /^SF:/ { file = substr($0, 4); if (index(file, root) == 1) file = substr(file, length(root) + 1)
           is_ours = file ~ /^src\//; end = 1e9
           if (is_ours) { number = 0
             while ((getline line < file) > 0) { number++; if (line ~ /^#\[cfg\(test\)\]/) { end = number; break } }
             close(file) } }
  /^DA:/ && is_ours { split(substr($0, 4), field, ","); if (field[1] + 0 >= end) next
           lines++; if (field[2] + 0 > 0) run++; else missed[file] = missed[file] " " field[1] }
  END { for (file in missed) print file ":" missed[file] | "sort"; close("sort")
        percent = lines ? 100 * run / lines : 0
        printf "coverage of src/: %d of %d lines, %.1f %%\n", run, lines, percent
        if (percent < least) { print "that is less than " least " %" > "/dev/stderr"; exit 1 } }
' target/coverage.lcov
