"""Creates a folder atomically."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ra_node.errors import Fatal, Refused
from ra_node.filesystem.durable_write import fsync_folder, fsync_stream

Write = Callable[[Path, bytes], None]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that becomes `out` when the block ends, and is removed if it fails.

    Raises Refused where `out` exists, Fatal where the disk is full or not writable; the message holds no
    path, which may name a patient.
    """
    if out.exists():
        raise Refused("expected a new folder for the output, found one that exists")
    made: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
        yield made
        made.rename(out)
        fsync_folder(out.parent)
    except OSError as error:
        raise _unwritable(error) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def write_synced(path: Path, content: bytes) -> None:
    """Write and sync a file, because a full disk may be reported at the sync only."""
    with path.open("wb") as stream:
        stream.write(content)
        fsync_stream(stream)


def _unwritable(error: OSError) -> Fatal:
    if error.errno in _FULL:
        return Fatal("expected room for the output, found a full disk; nothing was kept")
    found = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return Fatal(f"expected files that can be read and written, found {found}; nothing was kept")
