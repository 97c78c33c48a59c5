"""The patient's ID as a keyed hash: with one salt the same in an archive run and in a training dataset."""

from __future__ import annotations

import hmac

from ra_node.errors import Fatal, Refused

SALT_BYTES = 32
"""Minimum length of the salt."""
KEY_DIGITS = 32


def patient_pseudonym(salt: bytes, patient_id: str) -> str:
    """HMAC-SHA256 of a Patient ID, 32 hexadecimal digits; case and surrounding blanks are ignored."""
    return hmac.digest(salt, patient_id.strip().upper().encode(), "sha256").hex()[:KEY_DIGITS]


def checked_salt(salt: bytes, mode: int) -> bytes:
    """Give back a salt read from a file of this mode; Refused if too short, Fatal if others can read it."""
    if len(salt) < SALT_BYTES:
        made = f"head -c {SALT_BYTES} /dev/urandom"
        raise Refused(
            f"expected a salt of {SALT_BYTES} bytes or more, found {len(salt)}; make it with `{made}`"
        )
    if mode & 0o077:
        raise Fatal(f"expected a salt that only its owner can read (mode 600), found mode {mode & 0o777:o}")
    return salt
