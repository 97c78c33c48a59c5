"""The only module that calls fsync: a file is whole under its name after a power cut, or not there at all.

The order is write, fsync of the file, rename, fsync of its folder. Without the first fsync a power cut can
leave an empty file under the name, without the second one no name. All functions raise OSError, e.g. ENOSPC.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO

PRIVATE_MODE = 0o600


def fsync_stream(stream: IO[bytes] | IO[str]) -> None:
    """Wait until all that was written to an open file is on the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def fsync_file(path: Path, mode: int | None = None) -> None:
    """Wait until a finished file is on the disk, with `mode` if one is given."""
    with path.open("rb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def fsync_folder(path: Path) -> None:
    """Wait until the names in a folder (made, moved or removed) are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move_durably(temporary: Path, path: Path, mode: int | None = None) -> None:
    """Give a finished file its name, in the place of one that is there; it outlives a power cut.

    An OSError leaves the file where it was, or under its name, but not for certain after a power cut.
    """
    fsync_file(temporary, mode)
    temporary.rename(path)
    fsync_folder(path.parent)


def write_atomically(
    path: Path,
    content: bytes | Callable[[BinaryIO], object],
    *,
    mode: int = PRIVATE_MODE,
    replace: bool = True,
    temporary: Path | None = None,
) -> None:
    """Write a file atomically (bytes, or a function that writes to a stream).

    Without `replace` an existing file is unchanged: of several writers the first one wins. The umask
    reduces the mode. `temporary` (default: a unique hidden name) is in the same folder; a fixed name is for
    large files of a single writer, so that a killed one leaves at most one behind.
    """
    part = temporary or path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(part, flags, mode), "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            fsync_stream(file)
        if replace:
            part.rename(path)
        else:
            with suppress(FileExistsError):
                os.link(part, path)
        fsync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
