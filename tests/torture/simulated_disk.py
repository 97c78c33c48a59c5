"""A disk that keeps only what was synced, fed with what the roles asked of the real one.

The model is harsher than any file system in use: the contents of a file are what they were at its last
fsync, and a name (new, moved or removed) holds only once its own folder was synced. With a chance, some
of what was not synced survives all the same, in any combination, as it may after a real power cut.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.syscalls import Acknowledgement, Call

Survives = Callable[[], bool]


@dataclass
class _File:
    synced: bytes = b""
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes since the last sync as (offset, data); (length, None) is a truncation."""

    def contents(self, survives: Survives) -> bytes:
        return _applied(self.synced, (change for change in self.waiting if survives()))

    def sync(self) -> None:
        self.synced = _applied(self.synced, self.waiting)
        self.waiting = []


def _applied(start: bytes, changes: Iterable[tuple[int, bytes | None]]) -> bytes:
    now = bytearray(start)
    for offset, data in changes:
        if data is None:
            del now[offset:]
            now.extend(bytes(offset - len(now)))
        else:
            now.extend(bytes(max(0, offset - len(now))))
            now[offset : offset + len(data)] = data
    return bytes(now)


class Disk:
    """The files below one folder, as the system calls left them: what is seen, and what is safe."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.seen: dict[str, _File] = {}
        self.safe: dict[str, dict[str, _File]] = {}
        self.waiting: dict[str, list[tuple[str, _File | None]]] = {}
        self.offsets: dict[tuple[str, int], int] = {}

    def do(self, call: Call) -> None:
        """Follow one system call."""
        if not call.path.startswith(self.root) and not call.other.startswith(self.root):
            return
        act = getattr(self, f"_{call.name}", None)
        if act is not None:
            act(call)

    def survivors(self, survives: Survives = lambda: False) -> dict[str, bytes]:
        """What a power cut at this moment leaves, by path relative to the root."""
        left: dict[str, bytes] = {}
        for folder in {*self.safe, *self.waiting}:
            names = dict(self.safe.get(folder, {}))
            for name, file in self.waiting.get(folder, []):
                if survives():
                    _set(names, name, file)
            for name, file in names.items():
                left[f"{folder}/{name}".removeprefix(f"{self.root}/")] = file.contents(survives)
        return left

    def _openat(self, call: Call) -> None:
        self.offsets[call.process, call.handle] = 0
        if "O_DIRECTORY" in call.flags:
            return
        if call.path not in self.seen and "O_CREAT" in call.flags:
            self._name(call.path, _File())
        elif "O_TRUNC" in call.flags and call.path in self.seen:
            self.seen[call.path].waiting.append((0, None))

    def _write(self, call: Call) -> None:
        key = call.process, call.handle
        self._put(call.path, self.offsets.get(key, 0), call.data)
        self.offsets[key] = self.offsets.get(key, 0) + len(call.data)

    _writev = _write

    def _pwrite64(self, call: Call) -> None:
        self._put(call.path, call.number, call.data)

    def _lseek(self, call: Call) -> None:
        self.offsets[call.process, call.handle] = call.number

    def _ftruncate(self, call: Call) -> None:
        if call.path in self.seen:
            self.seen[call.path].waiting.append((call.number, None))

    def _fsync(self, call: Call) -> None:
        if call.path in self.seen:
            self.seen[call.path].sync()
            return
        names = self.safe.setdefault(call.path, {})
        for name, file in self.waiting.pop(call.path, []):
            _set(names, name, file)

    _fdatasync = _fsync

    def _rename(self, call: Call) -> None:
        file = self.seen.pop(call.path, None)
        if file is not None:
            self.seen[call.other] = file
            self._later(call.other, file)
            self._later(call.path, None)

    _renameat = _renameat2 = _rename

    def _unlink(self, call: Call) -> None:
        if self.seen.pop(call.path, None) is not None:
            self._later(call.path, None)

    _unlinkat = _unlink

    def _put(self, path: str, offset: int, data: bytes) -> None:
        if path in self.seen:
            self.seen[path].waiting.append((offset, data))

    def _name(self, path: str, file: _File) -> None:
        self.seen[path] = file
        self._later(path, file)

    def _later(self, path: str, file: _File | None) -> None:
        folder, _, name = path.rpartition("/")
        self.waiting.setdefault(folder, []).append((name, file))


def _set(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


@dataclass
class Cuts:
    """What many power cuts in one history left behind."""

    cuts: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    """Instances whose Success was on the wire before the cut, and that are gone or broken after it."""
    dangling: list[str] = field(default_factory=list)
    """Files that a row names and that are not there in their full length."""


def cut_everywhere(
    calls: Sequence[Call],
    acknowledged: Sequence[Acknowledgement],
    root: Path,
    folder: Path,
    whole: Callable[[str, bytes], bool],
    seed: int,
) -> Cuts:
    """Cut the power right after each acknowledgement and right after each commit, each time anew.

    Each cut is made twice: with nothing surviving that was not synced, and with a chance of one half.
    `whole(uid, contents)` tells whether a received file is what was sent.
    """
    moments = sorted({one.at for one in acknowledged} | {call.ended for call in calls if _is_commit(call)})
    disk, draw, result = Disk(root), random.Random(seed), Cuts()
    lengths = {
        path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()
    }
    following = iter(calls)
    call = next(following, None)
    for moment in moments:
        while call is not None and call.ended <= moment:
            disk.do(call)
            call = next(following, None)
        due = [one.sop_instance_uid for one in acknowledged if one.at <= moment]
        for survives in (lambda: False, lambda: draw.random() < 0.5):
            result.cuts += 1
            result.acknowledged += len(due)
            left = disk.survivors(survives)
            kept, named = _ledger_of(left, folder)
            result.lost += [uid for uid in due if uid not in kept or not whole(uid, left.get(kept[uid], b""))]
            result.dangling += [path for path in named if len(left.get(path, b"")) != lengths[path]]
    return result


def _is_commit(call: Call) -> bool:
    return call.name in ("fsync", "fdatasync") and call.path.endswith("-wal")


def lay_out(files: dict[str, bytes], folder: Path) -> None:
    """Write what survived into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, contents in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)


def _ledger_of(files: dict[str, bytes], folder: Path) -> tuple[dict[str, str], set[str]]:
    """Recover the ledger from what survived, as the node would: instances with paths, and all paths."""
    lay_out(
        {name: data for name, data in files.items() if name.startswith("ledger.") and "-shm" not in name},
        folder,
    )
    path = folder / "ledger.sqlite3"
    if not path.exists():
        return {}, set()
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "instance" not in tables:
            return {}, set()
        kept = dict(ledger.execute("SELECT sop_instance_uid, path FROM instance"))
        paths = {
            path
            for (path,) in ledger.execute("SELECT path FROM object UNION SELECT preview_path FROM instance")
            if path
        }
    return kept, paths | {path for path in kept.values() if path}
