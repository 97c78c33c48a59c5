"""One sentence for an error of the operating system: which path, what failed, and whether to retry.

Without it a personal account, a read-only disk or a wrong owner ends a command with a traceback.
"""

from __future__ import annotations

import errno
import os
import pwd
from contextlib import suppress
from pathlib import Path

from ra_node.errors import Fatal, MachineFault, NodeError

_CONFIGURED = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
    }
)
"""Errors that last until somebody changes path, owner or mode; all others may pass (disk full, read-only)."""


def node_error(error: OSError, what: str) -> NodeError:
    """Fatal for a path, owner or mode that is wrong, else MachineFault; the message holds the path."""
    named = error.filename
    where = f"{os.fsdecode(named)}: " if isinstance(named, str | bytes) else ""
    text = f"{what}: {where}{error.strerror or type(error).__name__}{_account_hint(error)}"
    return Fatal(text) if error.errno in _CONFIGURED else MachineFault(text)


def _account_hint(error: OSError) -> str:
    """Who runs this and who owns the nearest existing folder, where permission is what lacks."""
    if error.errno not in (errno.EACCES, errno.EPERM) or not isinstance(error.filename, str):
        return ""
    us, owner = account_name(os.geteuid()), _owner_of(Path(error.filename))
    if owner in ("", us):
        return f"; this command runs as {us}"
    return f"; this command runs as {us}, the folder belongs to {owner}: runuser -u {owner} -- ra-node ..."


def account_name(uid: int) -> str:
    """Name of an account, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _owner_of(path: Path) -> str:
    """Owner of a path, or of the nearest folder above it that this account may look at."""
    for place in (path, *path.parents):
        with suppress(OSError, ValueError):
            return account_name(place.stat().st_uid)
    return ""
