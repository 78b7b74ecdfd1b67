#!/bin/sh
# Prints the arguments of `cargo test` for the tests of the library: all but those of the example programs,
# which do not depend on its features and say nothing about its coverage.
cd "$(dirname "$0")/.." || exit 1
echo --lib
for suite in tests/*.rs tests/*/main.rs; do
  case $suite in
    tests/examples/* | tests/notifier/*) continue ;;
    */main.rs) suite=${suite%/main.rs} ;;
  esac
  echo --test "$(basename "$suite" .rs)"
done
