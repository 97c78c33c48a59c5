"""Patient key: a keyed hash by which the ledger finds earlier reports without naming the patient."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select

from ra_node.domain.patient.identity import Identity
from ra_node.errors import Fatal
from ra_node.filesystem.durable_write import write_atomically
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.schema import result

KEY_FILE = "patient.key"
"""Name of the file with the secret in the data folder."""
_LENGTH_BYTES = 32
_DIGITS = 16
"""Length of a hash that is compared within one study: 64 bits."""


def patient_key(secret: bytes, identity: tuple[str, ...]) -> str:
    """Hash the parts of a patient's identity with the node's secret (HMAC-SHA256), as hexadecimal.

    Without the secret, which is not in the ledger, identities cannot be guessed from it.
    """
    measured = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in identity)
    return hmac.new(secret, measured, sha256).hexdigest()


KEY_NAME = "key"
"""Length of the part of `kept_identity` that identifies the secret."""


def keyed_identity(secret: bytes, found: Identity) -> Identity:
    """Hash each value of an identity with the node's secret: equal ones stay equal, and none can be read."""
    return found.hashed(lambda value: hmac.digest(secret, value.encode(), "sha256").hex()[:_DIGITS])


def kept_identity(secret: bytes, found: Identity) -> str:
    """The form in which the ledger holds an identity: JSON of keyed hashes, and which key made them."""
    made = {name: value for name, value in asdict(keyed_identity(secret, found)).items() if value}
    return json.dumps({KEY_NAME: _key_id(secret), **made}, separators=(",", ":"))


def keyed_digest(secret: bytes, content: bytes) -> str:
    """Hash a header with the node's secret (HMAC-SHA256), as hexadecimal."""
    return hmac.new(secret, content, sha256).hexdigest()


def read_identity(secret: bytes, kept: str) -> Identity | None:
    """Read what `kept_identity` wrote with the same secret; None where it was made with another one."""
    found: dict[str, str | list[str]] = json.loads(kept)
    if found.pop(KEY_NAME, None) != _key_id(secret):
        return None
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return Identity(**cast("dict[str, Any]", values))


def _key_id(secret: bytes) -> str:
    return hmac.digest(secret, b"key", "sha256").hex()[:_DIGITS]


def open_secret(path: Path) -> bytes:
    """Read the secret, created on first use; processes and hosts that share the file get the same.

    Raises Fatal where it is damaged. Without the file earlier reports are no longer found.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, secrets.token_bytes(_LENGTH_BYTES), replace=False)
    found = path.read_bytes()
    if len(found) != _LENGTH_BYTES:
        raise Fatal(f"expected {_LENGTH_BYTES} bytes in {path}, found {len(found)}: restore it, or remove it")
    return found


def hangs_on_secret(ledger: Ledger) -> bool:
    """Whether there is a report with a patient key."""
    query = select(result.c.patient_key).where(result.c.patient_key.is_not(None)).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None
