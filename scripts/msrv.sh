#!/bin/sh
# Builds the library with the oldest compiler that Cargo.toml promises (`rust-version`).
#
# The compiler is that of rustup where it is installed; else Debian's `rustc-web`, which is unpacked,
# not installed, into one folder (default ~/.cache/dormouse-msrv). With neither at hand the script
# says so and ends with status 3.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/dormouse-msrv/$version

rustup_compiler() {
  rustup which rustc --toolchain "$version" 2>/dev/null ||
    rustup which rustc --toolchain "$version.0" 2>/dev/null
}

# The version of the package `rustc-web` that has the compiler, or nothing.
debian_release() {
  apt-cache madison rustc-web | cut -d '|' -f 2 | tr -d ' ' | grep "^$version\." | head -n 1
}

debian_compiler() {
  if [ ! -x "$folder/rustc" ]; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    release=$(debian_release)
    if [ -z "$release" ]; then
      apt-get update >/dev/null 2>&1 || return 1
      release=$(debian_release)
    fi
    [ -n "$release" ] || return 1
    mkdir -p "$folder"
    (
      cd "$folder"
      apt-get download "rustc-web=$release" "libstd-rust-web-dev=$release" \
        "libstd-rust-web-$version=$release"
      # The code generator it was linked with.
      for package in rustc-web libstd-rust-web-"$version"; do
        dpkg --field "$package"_*.deb Depends
      done | grep -o 'libllvm[0-9.]*' | sort -u | xargs -r apt-get download
      for package in *.deb; do dpkg --extract "$package" root && rm "$package"; done
      printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' \
        "$PWD/root/usr/lib/$(gcc -print-multiarch)" "$PWD/root/usr/bin/rustc" >rustc
      chmod +x rustc
    ) >/dev/null 2>&1
    "$folder/rustc" --version >/dev/null 2>&1 || {
      rm -rf "$folder"
      return 1
    }
  fi
  echo "$folder/rustc"
}

RUSTC=$(rustup_compiler || debian_compiler) || {
  echo "msrv: no Rust $version at hand, neither from rustup nor from Debian" >&2
  exit 3
}
export RUSTC
"$RUSTC" --version
for features in "" --no-default-features "--no-default-features --features std" \
  "--no-default-features --features simdutf8"; do
  # shellcheck disable=SC2086 # a list of options
  CARGO_TARGET_DIR=target/msrv cargo check --quiet --lib $features
done
echo "msrv: the library builds with Rust $version"
