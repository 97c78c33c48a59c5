"""Gives a patient a key that nobody can turn back without the site's secret salt."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from ra_node.errors import Fatal, Refused
from ra_node.filesystem.durable_write import write_atomically

SALT_BYTES = 32
KEY_DIGITS = 32


def read_salt(path: Path, dataset: Path, token: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """Read the salt, or make it (mode 0600) where there is none yet.

    Raises Refused where it would lie in the dataset or is no salt, Fatal where others may read it.
    """
    if path.resolve().is_relative_to(dataset.resolve()):
        raise Refused("expected the salt outside the dataset, found it inside: it would undo the keys")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, token(SALT_BYTES), replace=False)
    return _kept(path)


def patient_key(salt: bytes, patient_id: str) -> str:
    """HMAC-SHA256 of a patient's ID, 32 hexadecimal digits; case and blanks around it do not count."""
    return hmac.digest(salt, patient_id.strip().upper().encode(), "sha256").hex()[:KEY_DIGITS]


def _kept(path: Path) -> bytes:
    salt, mode = path.read_bytes(), path.stat().st_mode & 0o777
    if len(salt) != SALT_BYTES:
        raise Refused(f"expected a salt of {SALT_BYTES} bytes, found {len(salt)}")
    if mode & 0o077:
        raise Fatal(f"expected a salt that only its owner can read (mode 600), found mode {mode:o}")
    return salt
