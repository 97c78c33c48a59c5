"""Creates a folder atomically; an interrupted creation is resumed."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ra_node.errors import Fatal, Refused
from ra_node.filesystem.durable_write import fsync_folder, fsync_stream

Write = Callable[[Path, bytes], None]

KEPT = "what was made is kept, and the same command goes on with it"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def unfinished_folder(out: Path) -> Iterator[Path]:
    """Give the hidden folder `.NAME.partial` beside `out`, which becomes `out` when the block ends.

    An interruption of the block keeps the folder, so that the next call resumes from its content; only an
    empty folder is removed. Raises Refused where `out` exists or another process is at work on it, Fatal
    where the disk is full or not writable; the message holds no path, which may name a patient.
    """
    if out.exists():
        raise Refused("expected a new folder for the output, found one that exists")
    made = out.parent / f".{out.name}.partial"
    handle: int | None = None
    try:
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = _locked(made)
        yield made
        made.rename(out)
        fsync_folder(out.parent)
    except OSError as error:
        raise _unwritable(error) from error
    finally:
        if made.is_dir() and not any(made.iterdir()):
            made.rmdir()
        if handle is not None:
            os.close(handle)


def _locked(folder: Path) -> int:
    """Open a folder for this process alone, until the handle is closed or the process ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise Refused("expected nobody else at work on this output, found another process") from error
    return handle


def write_synced(path: Path, content: bytes) -> None:
    """Write and sync a file, because a full disk may be reported at the sync only."""
    with path.open("wb") as stream:
        stream.write(content)
        fsync_stream(stream)


def _unwritable(error: OSError) -> Fatal:
    if error.errno in _FULL:
        return Fatal(f"expected room for the output, found a full disk; {KEPT}")
    found = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return Fatal(f"expected files that can be read and written, found {found}; {KEPT}")
