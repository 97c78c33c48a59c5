"""The password file: names and Argon2id hashes, writable by its owner only."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ra_node.errors import Fatal, Refused
from ra_node.filesystem.durable_write import write_atomically

SHORTEST = 12
"""Characters of a password at least."""
LONGEST = 1024
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


@dataclass(frozen=True, slots=True)
class Passwords:
    """A password file; it is read at each login, so that a change takes effect at once."""

    path: Path
    _hasher: PasswordHasher = field(default_factory=PasswordHasher, repr=False)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """A hash takes 64 MiB and a core for a moment; the number of concurrent ones is limited."""

    def names(self) -> list[str]:
        """Names with a password; Fatal where others may read the file."""
        return sorted(self._read())

    def proof(self, name: str) -> str | None:
        """Mark in a session that changes with the password; None: no such name."""
        hashed = self._read().get(name)
        return None if hashed is None else hashlib.sha256(hashed.encode()).hexdigest()[:16]

    def verify(self, name: str, password: str) -> bool:
        """Verify a password; takes as long for an unknown name."""
        hashed = self._read().get(name)
        with self._one_at_a_time:
            try:
                self._hasher.verify(hashed or _nobody(), password[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
        return hashed is not None

    def set(self, name: str, password: str) -> None:
        """Set a password, new or changed; Refused for a bad name or a short password."""
        if not _NAME.fullmatch(name):
            raise Refused("expected a name of letters, digits and . _ @ -, at most 64")
        if not SHORTEST <= len(password) <= LONGEST:
            raise Refused(f"expected a password of {SHORTEST} to {LONGEST} characters, found {len(password)}")
        self._write({**self._read(), name: self._hasher.hash(password)})

    def remove(self, name: str) -> None:
        """Delete an account; Refused where there is none."""
        lines = dict(self._read())
        if lines.pop(name, None) is None:
            raise Refused(f"expected a name in {self.path}, found no {name}")
        self._write(lines)

    def _read(self) -> Mapping[str, str]:
        try:
            mode = self.path.stat().st_mode
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Fatal(f"web.password_file: expected a file, found {self.path}: {error.strerror}") from error
        if mode & (stat.S_IWGRP | stat.S_IRWXO):
            found = f"mode {stat.S_IMODE(mode):04o}"
            raise Fatal(f"web.password_file: expected mode 0600 of {self.path}, found {found}; chmod 600 it")
        pairs = (line.partition(":") for line in text.splitlines() if line.strip())
        return {name: hashed for name, _, hashed in pairs}

    def _write(self, lines: Mapping[str, str]) -> None:
        """Replace the file atomically, never readable by others; Fatal where that fails.

        It fails for a systemd credential, which is read-only: change the original file.
        """
        try:
            self._replace(lines)
        except OSError as error:
            raise Fatal(
                f"web.password_file: expected to write {self.path}, found: {error.strerror}"
            ) from error

    def _replace(self, lines: Mapping[str, str]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = "".join(f"{name}:{hashed}\n" for name, hashed in sorted(lines.items()))
        write_atomically(self.path, text.encode())


@cache
def _nobody() -> str:
    """Hash that is verified for an unknown name."""
    return PasswordHasher().hash(os.urandom(16))
