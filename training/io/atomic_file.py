"""Writes a file atomically."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ra_node.errors import Fatal
from ra_node.filesystem.durable_write import write_atomically


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file, sync it and rename it to `path`.

    Raises Fatal on disk errors (full, read-only); an existing file stays unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(path, write, mode=0o666, temporary=path.with_name(f"{path.name}.new"))
    except (OSError, RuntimeError) as error:
        raise Fatal(f"expected to write {path}, found: {_cause(error)}; what was there is kept") from error


def _cause(error: BaseException) -> BaseException:
    """The OSError of a full disk, which torch.save replaces by a RuntimeError."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__context__
    return found or error
