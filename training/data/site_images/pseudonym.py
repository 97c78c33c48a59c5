"""The site's secret salt for pseudonyms; without it pseudonyms cannot be reversed by trying patient IDs."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from ra_node.domain.patient.pseudonym import SALT_BYTES, checked_salt
from ra_node.errors import Refused
from ra_node.filesystem.durable_write import write_atomically


def read_salt(path: Path, dataset: Path, token: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """Read the salt, or create it (mode 0600) where there is none.

    Raises Refused where it is inside the dataset or invalid, Fatal where other users may read it.
    """
    if path.resolve().is_relative_to(dataset.resolve()):
        raise Refused("expected the salt outside the dataset, found it inside: it would undo the keys")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, token(SALT_BYTES), replace=False)
    return checked_salt(path.read_bytes(), path.stat().st_mode)
