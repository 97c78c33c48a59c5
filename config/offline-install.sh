#!/bin/sh
# Installs ra-node from this folder without any network, as root: sh install.sh [FOLDER], default /opt/ra-node.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-/opt/ra-node}
python=${PYTHON:-python3}
cd "$here"
sha256sum --quiet --check SHA256SUMS || { echo "A file of this folder is damaged: copy it again." >&2; exit 1; }
"$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or later with venv is needed; on Debian: apt install python3-venv" >&2; exit 1; }
"$python" -m venv "$target"
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links wheels \
  --no-deps --require-hashes -r node.lock
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps wheels/ra_node-*.whl
"$target/bin/ra-node" --version
echo "Next, as root: $target/bin/ra-node init --systemd"
