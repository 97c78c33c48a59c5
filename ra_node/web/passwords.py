"""The password file: names, Argon2id hashes and roles, writable by its owner only."""

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

from ra_node.domain.reader_study.roles import AccountRole
from ra_node.errors import Fatal, Refused
from ra_node.filesystem.durable_write import write_atomically

SHORTEST = 12
"""Characters of a password at least."""
LONGEST = 1024
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


def role_named(name: str) -> AccountRole | None:
    """The role of this name, None for ""; Refused for an unknown one."""
    if name and name not in set(AccountRole):
        raise Refused(f"expected a role ({', '.join(AccountRole)}), found {name}")
    return AccountRole(name) if name else None


@dataclass(frozen=True, slots=True)
class _Account:
    hashed: str
    """Argon2id hash; "" where the site's proxy authenticates this user."""
    role: AccountRole = AccountRole.OPERATOR

    @property
    def line(self) -> str:
        return self.hashed if self.role is AccountRole.OPERATOR else f"{self.hashed}:{self.role}"


@dataclass(frozen=True, slots=True)
class Passwords:
    """A password file; it is read at each login, so that a change takes effect at once."""

    path: Path
    _hasher: PasswordHasher = field(default_factory=PasswordHasher, repr=False)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """A hash takes 64 MiB and a core for a moment; the number of concurrent ones is limited."""

    def names(self) -> list[str]:
        """Names of accounts; Fatal where others may read the file."""
        return sorted(self._read())

    def roles(self) -> Mapping[str, AccountRole]:
        """Role of each account."""
        return {name: account.role for name, account in self._read().items()}

    def role(self, name: str) -> AccountRole:
        """Role of a signed-in user; a user of the site's proxy without an account is an operator."""
        account = self._read().get(name)
        return AccountRole.OPERATOR if account is None else account.role

    def proof(self, name: str) -> str | None:
        """Mark in a session that changes with password and role; None: no such name."""
        account = self._read().get(name)
        return None if account is None else hashlib.sha256(account.line.encode()).hexdigest()[:16]

    def verify(self, name: str, password: str) -> bool:
        """Verify a password; takes as long for an unknown name."""
        account = self._read().get(name)
        hashed = account.hashed if account else ""
        with self._one_at_a_time:
            try:
                self._hasher.verify(hashed or _nobody(), password[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
        return bool(hashed)

    def set(self, name: str, password: str, role: AccountRole | None = None) -> None:
        """Set a password, new or changed; without a role the account keeps its own, a new one is an operator.

        Refused for a bad name or a short password.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise Refused(f"expected a password of {SHORTEST} to {LONGEST} characters, found {len(password)}")
        self._keep(name, self._hasher.hash(password), role or self.role(name))

    def set_role(self, name: str, role: AccountRole) -> None:
        """Change the role; a new name gets no password and is for a user of the site's proxy."""
        account = self._read().get(name)
        self._keep(name, account.hashed if account else "", role)

    def _keep(self, name: str, hashed: str, role: AccountRole) -> None:
        if not _NAME.fullmatch(name):
            raise Refused("expected a name of letters, digits and . _ @ -, at most 64")
        self._write({**self._read(), name: _Account(hashed, role)})

    def remove(self, name: str) -> None:
        """Delete an account; Refused where there is none."""
        lines = dict(self._read())
        if lines.pop(name, None) is None:
            raise Refused(f"expected a name in {self.path}, found no {name}")
        self._write(lines)

    def _read(self) -> Mapping[str, _Account]:
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
        return dict(self._account(line) for line in text.splitlines() if line.strip())

    def _account(self, line: str) -> tuple[str, _Account]:
        name, _, rest = line.partition(":")
        hashed, _, role = rest.partition(":")
        try:
            return name, _Account(hashed, AccountRole(role or AccountRole.OPERATOR))
        except ValueError as error:
            known = ", ".join(AccountRole)
            raise Fatal(f"{self.path}: expected a role ({known}) of {name}, found {role}") from error

    def _write(self, lines: Mapping[str, _Account]) -> None:
        """Replace the file atomically, never readable by others; Fatal where that fails.

        It fails for a systemd credential, which is read-only: change the original file.
        """
        try:
            self._replace(lines)
        except OSError as error:
            raise Fatal(
                f"web.password_file: expected to write {self.path}, found: {error.strerror}"
            ) from error

    def _replace(self, lines: Mapping[str, _Account]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = "".join(f"{name}:{account.line}\n" for name, account in sorted(lines.items()))
        write_atomically(self.path, text.encode())


@cache
def _nobody() -> str:
    """Hash that is verified for an unknown name."""
    return PasswordHasher().hash(os.urandom(16))
