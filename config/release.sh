#!/bin/sh
# Makes a release: sh config/release.sh VERSION [FOLDER], as `make release NEW=VERSION` calls it.
# Everything is done in a clone: version, changelog section, commit, tag, wheel, locks, offline tar, image recipe, SBOM,
# checksums. Only when all of it lies in FOLDER do commit and tag come into this repository; with DRY=1 never.
# SKIP=offline leaves the offline tar out (3 GB of wheels are fetched for it).
set -eu
new=$1
here=$(git rev-parse --show-toplevel)
out=${2:-$here/dist/release}
python=${PYTHON:-$here/.venv/bin/python}
clone=$out/.clone

fail() { echo "release: $1" >&2; exit 1; }
[ -n "$new" ] || fail "expected a version: make release NEW=0.2.0 (or major, minor, patch)"
[ -z "$(git -C "$here" status --porcelain --untracked-files=no)" ] || fail "expected a clean working tree, found changes"
branch=$(git -C "$here" symbolic-ref --short HEAD) || fail "expected a branch, found a detached HEAD"
rm -rf "$out" && mkdir -p "$out"
git clone --quiet --branch "$branch" "$here" "$clone"
trap 'rm -rf "$clone"' EXIT
ln -s "$here/.venv" "$clone/.venv"
cd "$clone"
grep -qx '## Unreleased' CHANGELOG.md || fail "expected a section '## Unreleased' in CHANGELOG.md, found none"
before=$("$python" -m hatchling version)
"$python" -m hatchling version "$new" >/dev/null 2>&1 || fail "expected a version after $before, found $new"
version=$("$python" -m hatchling version)
git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null && fail "the tag v$version exists"
awk '/^## Unreleased$/ {on = 1; next} /^## / {on = 0} on' CHANGELOG.md | sed '/./,$!d' >"$out/CHANGES.md"
[ -s "$out/CHANGES.md" ] || fail "expected changes under '## Unreleased', found none"
sed -i "s/^## Unreleased$/## Unreleased\n\n## $version/" CHANGELOG.md
git commit --quiet -m "release $version" ra_node/__init__.py CHANGELOG.md
git tag --annotate "v$version" --file "$out/CHANGES.md" --cleanup=whitespace

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
"$python" -m hatchling build -t wheel -d "$out" >/dev/null
cp config/locks/*.lock "$out"
cp requirements.lock "$out/dev.lock"
cp config/install.sh LICENSE "$out"
awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' requirements.lock >"$out/uv.lock"
git archive --format=tar --prefix=ra-node-image/ "v$version" config/container config/locks | gzip -n >"$out/image-recipe.tar.gz"
"$python" -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --of JSON \
  -o "$out/sbom.cdx.json" config/locks/node.lock
case " ${SKIP:-} " in
  *" offline "*) echo "left out: offline tar (SKIP)" ;;
  *) make --no-print-directory -o install offline >/dev/null && mv dist/*offline*.tar "$out" ;;
esac
[ -f "$out/node-cpu.lock" ] || echo "left out: node-cpu.lock, which \`make lock-cpu\` writes where PyTorch's index can be reached"
cd "$out"
find . -type f ! -path './.clone/*' ! -name SHA256SUMS | sort | xargs sha256sum >SHA256SUMS
if [ "${DRY:-}" = 1 ]; then
  echo "dry run: v$version lies in $out; commit and tag stayed in the clone"
else
  git -C "$here" fetch --quiet "$clone" "refs/tags/v$version:refs/tags/v$version"
  git -C "$here" merge --quiet --ff-only "v$version"
  echo "v$version is committed and tagged; its files lie in $out. Publish: git push --follow-tags"
fi
cat SHA256SUMS
