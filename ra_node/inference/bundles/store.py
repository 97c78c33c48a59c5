"""Store of installed bundles: each is complete, synced and immutable.

A bundle is in a separate folder, named by name, version and the first digits of its hash. It is installed
by one rename of a complete, synced copy, so that readers see all of it or nothing.
"""

from __future__ import annotations

import errno
import fcntl
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ra_node.errors import Fatal, Refused, Retryable
from ra_node.filesystem.durable_write import fsync_file, fsync_folder
from ra_node.inference.bundles.bundle import Bundle, check_weights, load_bundle, read_bundle

CARD = "card.md"
MANIFEST = "manifest.json"
HASH_DIGITS = 12
_FEWEST_DIGITS = 6
"""Shortest accepted prefix of a hash: a shorter one could be a typing error."""
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True, slots=True)
class BundleStore:
    """The folder of installed bundles; shared by all workers of a node, on any host."""

    folder: Path

    def installed(self) -> list[Bundle]:
        """Every installed bundle by name and version, weights not read; other folders are ignored."""
        if not self.folder.is_dir():
            return []
        found = [_readable(path) for path in sorted(self.folder.iterdir()) if not path.name.startswith(".")]
        return [bundle for bundle in found if bundle is not None]

    def find(self, sha256: str) -> Bundle | None:
        """Read the installed bundle with this hash, weights not read; None where there is none."""
        for path in sorted(self.folder.glob(f"*-{sha256[:HASH_DIGITS]}")):
            bundle = _readable(path)
            if bundle is not None and bundle.identity.sha256 == sha256:
                return bundle
        return None

    def named(self, words: str) -> Bundle:
        """Read the installed bundle that matches; raises Refused where none or several do.

        `words` are its folder's name, its name, "name version", or the first digits of its hash.
        """
        installed = self.installed()
        meant = [bundle for bundle in installed if words in _names(bundle)] or [
            bundle for bundle in installed if _is_hash_of(words, bundle)
        ]
        if len(meant) == 1:
            return meant[0]
        listed = ", ".join(bundle.folder.name for bundle in meant or installed) or "none at all"
        expected = "several fit" if meant else "installed are"
        raise Refused(
            f"expected the name or the hash of one installed bundle, found {words!r}; {expected}: {listed}"
        )

    def install(self, folder: Path) -> Bundle:
        """Copy a bundle to the store; an installed intact one is unchanged.

        The copy is checked by its hashes before it is renamed. It replaces a damaged one. Raises Fatal for an
        invalid bundle, Retryable on disk errors.
        """
        source = load_bundle(folder)
        check_card(folder)
        try:
            with self._locked():
                return self._installed(source)
        except OSError as error:
            where = "no space left on the disk" if error.errno == errno.ENOSPC else error.strerror
            raise Retryable(
                f"cannot install {source.folder} in {self.folder}: {where}; nothing was installed"
            ) from error

    def _installed(self, source: Bundle) -> Bundle:
        for left in self.folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        target = self.folder / folder_name(source)
        if target.exists() and _is_sound(target, source.identity.sha256):
            return read_bundle(target)
        copy = self.folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        try:
            _copy(source, copy)
            _check_copy(copy, source)
            if target.exists():
                target.rename(self.folder / f"{_UNFINISHED}{secrets.token_hex(8)}")
            copy.rename(target)
        except BaseException:
            shutil.rmtree(copy, ignore_errors=True)
            raise
        fsync_folder(self.folder)
        return read_bundle(target)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One install at a time: incomplete folders under the lock were left by a crash."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fsync_folder(self.folder.parent)
        with (self.folder / ".lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def check_card(folder: Path) -> None:
    """Raise Fatal for a bundle without its card: a model must not run without documented limits."""
    if not (folder / CARD).is_file():
        raise Fatal(
            f"bundle {folder.name}: expected {CARD}, which tells data, figures and limits, found none"
        )


def folder_name(bundle: Bundle) -> str:
    """Name, version and the first digits of the hash, in portable file name characters."""
    identity = bundle.identity
    words = (identity.name, identity.version, identity.sha256[:HASH_DIGITS])
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", word).lstrip(".") or "_" for word in words)


def _readable(path: Path) -> Bundle | None:
    try:
        return read_bundle(path)
    except Fatal:
        return None


def _names(bundle: Bundle) -> tuple[str, ...]:
    identity = bundle.identity
    name, version = identity.name, identity.version
    return bundle.folder.name, name, f"{name} {version}", f"{name}-{version}"


def _is_hash_of(words: str, bundle: Bundle) -> bool:
    return len(words) >= _FEWEST_DIGITS and bundle.identity.sha256.startswith(words.lower())


def _is_sound(folder: Path, sha256: str) -> bool:
    try:
        bundle = load_bundle(folder)
    except Fatal:
        return False
    return bundle.identity.sha256 == sha256 and (folder / CARD).is_file()


def _copy(source: Bundle, to: Path) -> None:
    """Copy the files listed in the manifest only; read-only and synced."""
    to.mkdir(mode=0o700)
    for name in (MANIFEST, CARD, *(name for name, _ in source.manifest.weights)):
        path = to / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (source.folder / name).open("rb") as read, path.open("wb") as written:
            shutil.copyfileobj(read, written)
        fsync_file(path, 0o400)
    for folder in {path.parent for path in to.rglob("*")}:
        fsync_folder(folder)


def _check_copy(folder: Path, source: Bundle) -> None:
    copy = read_bundle(folder)
    expected, found = source.identity.sha256, copy.identity.sha256
    if found != expected:
        raise Fatal(
            f"copy of {source.folder}: expected the manifest {expected}, found {found}; was it changed?"
        )
    check_weights(copy)
