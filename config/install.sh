#!/bin/sh
# Installs ra-node, as root: sh install.sh [FOLDER], default /opt/ra-node. In an offline tar, which has the folder wheels,
# without any network. In a release PyTorch comes without its GPU libraries where no NVIDIA GPU is (VARIANT=gpu or cpu says
# otherwise): by node-cpu.lock if it lies here, else resolved now to the versions of node.lock, with the hashes of PyTorch's
# own index kept in FOLDER/node-cpu.lock. Where that index cannot be reached, the GPU libraries are installed and lie unused.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-/opt/ra-node}
python=${PYTHON:-python3}
cd "$here"
sha256sum --quiet --check SHA256SUMS || { echo "A file of this folder is damaged: copy it again." >&2; exit 1; }
"$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or later with venv is needed; on Debian: apt install python3-venv" >&2; exit 1; }
"$python" -m venv "$target"

pip_install() { "$target/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

offline() {
  pip_install --no-index --no-deps --find-links wheels --require-hashes -r node.lock
  pip_install --no-index --no-deps wheels/ra_node-*.whl
}

network() {
  pip_install --require-hashes -r uv.lock
  uv=$target/bin/uv
  export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

  variant=${VARIANT:-}
  if [ -z "$variant" ]; then
    if [ -e /proc/driver/nvidia/version ] || grep -qs 0x10de /sys/bus/pci/devices/*/vendor; then variant=gpu; else variant=cpu; fi
  fi
  lock=node.lock backend=
  if [ "$variant" = cpu ]; then
    cpu=node-cpu.lock
    if [ ! -f "$cpu" ]; then
      cpu=$target/node-cpu.lock
      echo "$here"/ra_node-*.whl | "$uv" pip compile - --quiet --no-header --no-annotate --generate-hashes --no-emit-index-url \
        --python "$target/bin/python" --constraints node.lock --no-emit-package ra-node --no-emit-package triton \
        --torch-backend cpu --output-file "$cpu" 2>"$target/node-cpu.log" || cpu=
    fi
    if [ -n "$cpu" ]; then
      lock=$cpu backend="--torch-backend cpu"
    else
      echo "PyTorch's own index cannot be reached ($target/node-cpu.log): its GPU libraries are installed and lie unused." >&2
    fi
  fi
  # shellcheck disable=SC2086 # an option and its value
  "$uv" pip install --quiet --python "$target/bin/python" --no-deps --require-hashes $backend -r "$lock"
  "$uv" pip install --quiet --python "$target/bin/python" --no-deps ra_node-*.whl
  echo "installed with $lock"
}

if [ -d wheels ]; then offline; else network; fi
"$target/bin/ra-node" --version
echo "Next, as root: $target/bin/ra-node init --systemd"
