#!/bin/sh
# Makes ra-node.deb of the folder that `make offline` packs: sh debian-package.sh FOLDER PYTHON OUT. The environment
# in /opt/ra-node is laid down without running it, for the Python version of PYTHON.
set -eu
wheels=$1/wheels
lock=$1/node.lock
python=$2
out=$3
tree=$(mktemp -d "$(dirname "$out")/deb.XXXXXX")
trap 'rm -rf "$tree"' EXIT
minor=$("$python" -c 'import sys; print(f"3.{sys.version_info.minor}")')
next=3.$((${minor#3.} + 1))
version=$(basename "$wheels"/ra_node-*.whl | cut -d- -f2)
packages=$tree/opt/ra-node/lib/python$minor/site-packages
chmod 755 "$tree"
mkdir -p "$packages" "$tree/opt/ra-node/bin" "$tree/DEBIAN"

install() {
  "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --target "$packages" "$@"
}
install --find-links "$wheels" --require-hashes -r "$lock"
install "$wheels"/ra_node-*.whl
rm -rf "$packages/bin"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$minor" > "$tree/opt/ra-node/pyvenv.cfg"
ln -s "/usr/bin/python$minor" "$tree/opt/ra-node/bin/python"
printf '#!/opt/ra-node/bin/python\nimport sys\n\nfrom ra_node.cli.app import main\n\nsys.exit(main())\n' > "$tree/opt/ra-node/bin/ra-node"
chmod 755 "$tree/opt/ra-node/bin/ra-node"
chmod -R u=rwX,go=rX "$tree/opt"

cat > "$tree/DEBIAN/control" <<END
Package: ra-node
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: the site that made this package <root@localhost>
Depends: python3 (>= $minor), python3 (<< $next), systemd, passwd, util-linux
Recommends: systemd-timesyncd | time-daemon
Installed-Size: $(du -sk "$tree/opt" | cut -f1)
Section: science
Priority: optional
Description: DICOM node that reads hand radiographs for rheumatoid arthritis
 Receives hand radiographs from a PACS and answers with a structured report and an overlay. For research only.
END
cat > "$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  /opt/ra-node/bin/ra-node init --systemd
  if [ -n "$2" ] && [ -d /run/systemd/system ]; then systemctl try-restart ra-node.target; fi
fi
END
cat > "$tree/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now ra-node.target ra-node-web || true; fi
END
# Configuration, secrets, images and the account are the site's: not even purge takes them.
cat > "$tree/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ]; then
  find /opt/ra-node -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
  rm -rf /etc/systemd/system/ra-node* /usr/local/bin/ra-node /usr/share/doc/ra-node \
    /etc/sysusers.d/ra-node.conf /etc/tmpfiles.d/ra-node.conf
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi
END
chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm" "$tree/DEBIAN/postrm"
# The wheels' libraries hardly shrink: the fastest setting of the compressor that every Debian since 12 reads.
dpkg-deb --root-owner-group -Zzstd -z1 --build "$tree" "$out" >/dev/null
