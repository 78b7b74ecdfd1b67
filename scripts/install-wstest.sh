#!/bin/sh
# Installs the Autobahn WebSocket test suite for one user and prints the path of `wstest`:
#
#   WSTEST=$(scripts/install-wstest.sh) scripts/autobahn.sh
#
# The suite needs Python 2.7, which Debian carried last in bullseye. Its packages are unpacked, not
# installed, into one folder (default ~/.cache/dormouse-wstest), and the suite from PyPI beside them.
# Needs a Debian machine with apt-get, dpkg, gcc and Python 3. A second run only prints the path.
set -eu

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/dormouse-wstest}
program=$folder/wstest
if [ -x "$program" ] && [ -d "$folder/site/wsaccel" ] && "$program" -a >/dev/null 2>&1; then
  echo "$program"
  exit 0
fi

die() {
  echo "install-wstest: $1" >&2
  exit 1
}
for tool in apt-get dpkg gcc python3; do
  command -v "$tool" >/dev/null || die "needs $tool; or use the suite's container image"
done

# A folder that is not of an earlier try is somebody's.
if [ -d "$folder" ] && [ ! -d "$folder/apt" ] && [ -n "$(ls -A "$folder")" ]; then
  die "$folder holds something else"
fi
rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/packages" "$folder/wheels" "$folder/bootstrap"

# The same mirror as the machine's own, with the release that still has Python 2.7.
mirror() {
  find /etc/apt -name '*.sources' -exec sed -n 's/^URIs:[[:space:]]*//p' {} + 2>/dev/null
  find /etc/apt -name '*.list' -exec grep -h '^deb ' {} + 2>/dev/null |
    sed 's/^deb \(\[[^]]*\] \)*//; s/ .*//'
}

unpack_python() {
  source=$(mirror | grep '/debian/*$' | head -n 1)
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keys] ${source:?no Debian mirror} bullseye main" >"$folder/apt/sources.list"
  bullseye="-o Dir::Etc::sourcelist=$folder/apt/sources.list -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::Lists=$folder/apt/lists"
  # shellcheck disable=SC2086 # a list of options
  apt-get $bullseye update
  (
    cd "$folder/packages"
    # shellcheck disable=SC2086
    apt-get $bullseye download libffi7 libssl1.1 libpython2.7 libpython2.7-dev \
      libpython2.7-minimal libpython2.7-stdlib python2.7 python2.7-dev python2.7-minimal
  )
  for package in "$folder"/packages/*.deb; do
    dpkg --extract "$package" "$folder/python"
  done
}

# Runs the unpacked Python with the given module path.
cat >"$folder/python2" <<EOF
#!/bin/sh
LD_LIBRARY_PATH=$folder/python/usr/lib/$(gcc -print-multiarch) \\
PYTHONHOME=$folder/python/usr exec $folder/python/usr/bin/python2.7 "\$@"
EOF
chmod +x "$folder/python2"

install_suite() {
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 2.7 \
    --dest "$folder/wheels" pip==20.3.4 setuptools==44.0.0 wheel==0.36.2
  for wheel in "$folder"/wheels/setuptools*.whl "$folder"/wheels/wheel*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/bootstrap"
  done
  # The newest versions of each that still run on Python 2.7 with each other. wsaccel is the suite's own
  # masking and validation in C: without it, the cases with compression take ten times as long.
  include=$folder/python/usr/include
  C_INCLUDE_PATH=$include/python2.7:$include \
    PYTHONPATH=$folder/bootstrap:$(echo "$folder"/wheels/pip*.whl) \
    "$folder/python2" -m pip install --quiet --disable-pip-version-check --no-build-isolation \
    --target "$folder/site" autobahn==0.10.9 autobahntestsuite==25.10.1 cryptography==3.3.2 \
    incremental==16.10.1 jinja2==2.11.3 klein==17.10.0 markupsafe==1.1.1 pyOpenSSL==19.1.0 \
    service_identity==18.1.0 six==1.16.0 Twisted==19.10.0 txaio==2.1.0 unittest2==1.1.0 \
    Werkzeug==1.0.1 wsaccel==0.6.2 zope.interface==4.6.0
  touch "$folder/site/zope/__init__.py"
}

{
  unpack_python
  install_suite
  cat >"$program" <<EOF
#!/bin/sh
PYTHONPATH=$folder/site exec $folder/python2 -c \\
  'import sys; from autobahntestsuite.wstest import run; sys.exit(run())' "\$@"
EOF
  chmod +x "$program"
  "$program" -a
} >"$folder/install.log" 2>&1 || {
  tail -n 20 "$folder/install.log" >&2
  die "failed; the whole log is $folder/install.log"
}
echo "$program"
