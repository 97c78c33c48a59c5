"""The key that signs sessions: made once, so that sessions outlive a restart, and shared by all hosts."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ra_node.errors import Fatal

SHORTEST = 40


def session_key(path: Path) -> str:
    """Read the key at `path`, created with mode 0600 where it is missing; Fatal for a damaged one."""
    if not path.exists():
        _make(path)
    found = path.read_text(encoding="ascii")
    if len(found) < SHORTEST:
        raise Fatal(f"expected a session key in {path}, found {len(found)} characters; remove the file")
    return found


def _make(path: Path) -> None:
    """Create it atomically: of several processes that start together one succeeds."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            path.hardlink_to(unfinished)
        except FileExistsError:
            return
    finally:
        unfinished.unlink()
