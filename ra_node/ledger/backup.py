"""Backup and restore of a SQLite ledger; a PostgreSQL ledger has its own tools.

A copy also holds the secret of the patient hashes: without it no comparison would find the reports of a
restored ledger.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from ra_node.errors import Fatal, Refused
from ra_node.filesystem.durable_write import fsync_folder, move_durably, write_atomically
from ra_node.ledger.database.engine import ledger_address

_SIDES = ("", "-wal", "-shm")
"""Suffixes of the SQLite file, its write-ahead log and its index, which belong together."""


def file_of(url: str) -> Path:
    """The file of a SQLite ledger; Refused, with what to do, for a server."""
    target = ledger_address(url)
    if target.get_backend_name() != "sqlite" or not target.database:
        raise Refused(
            "the ledger is on PostgreSQL: back it up with pg_dump, restore it with pg_restore;"
            " and keep a copy of patient.key, which lies in the data folder"
        )
    return Path(target.database)


def backup(ledger: Path, to: Path, secret: Path) -> int:
    """Write a consistent copy (SQLite online backup), synced to disk; return its size in bytes.

    The file `secret` is read after the ledger, so it is the one of every report in the copy.
    Fatal where there is no ledger, or something at `to` already, or the copy is not sound.
    """
    if not ledger.exists():
        raise Fatal(f"expected a ledger at {ledger}, found none")
    unfinished = to.with_name(f".{to.name}.part")
    try:
        if to.exists():
            raise Fatal(f"expected to write a new file, found {to} there already")
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy, pages=1000)
            copy.execute("PRAGMA journal_mode = DELETE")
            _enclose(copy, secret)
        expect_sound(unfinished)
        move_durably(unfinished, to)
    except OSError as error:
        raise Fatal(f"cannot write {to}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise Fatal(f"expected a ledger at {ledger} that can be read, found: {error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return to.stat().st_size


def restore(copy: Path, ledger: Path, secret: Path) -> Path | None:
    """Replace the ledger by a copy; return the folder with the previous ledger, None without one.

    The secret in the copy becomes the file `secret`; a different previous one is kept with the previous
    ledger; a copy without a secret leaves the file unchanged. No process may have the ledger open. Fatal
    where the copy is invalid.
    """
    expect_sound(copy)
    ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    enclosed = _enclosed(copy)
    differs = enclosed is not None and secret.exists() and secret.read_bytes() != enclosed
    kept = set_aside(ledger, [secret] if differs else [])
    unfinished = ledger.with_name(f".{ledger.name}.part")
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as source:
            os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            with closing(sqlite3.connect(unfinished)) as target:
                source.backup(target)
                _take_out(target)
        if enclosed is not None and not secret.exists():
            write_atomically(secret, enclosed)
        move_durably(unfinished, ledger)
    finally:
        unfinished.unlink(missing_ok=True)
    return kept


def expect_sound(copy: Path) -> None:
    """Fatal unless the file is a whole ledger of this product."""
    if not copy.is_file():
        raise Fatal(f"expected a copy of a ledger at {copy}, found none")
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as opened:
            said = opened.execute("PRAGMA integrity_check").fetchone()[0]
            version = opened.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise Fatal(f"expected a copy of a ledger, found {copy}: {error}") from error
    if said != "ok" or version is None:
        raise Fatal(f"expected a sound copy of a ledger, found {copy}: {said}")


def identity_in(copy: Path) -> str | None:
    """The identity of the ledger that a copy was made of; copies of earlier versions have none."""
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as opened:
        if not opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'property'").fetchone():
            return None
        row = opened.execute("SELECT value FROM property WHERE name = 'identity'").fetchone()
    return None if row is None else str(row[0])


def _enclose(copy: sqlite3.Connection, secret: Path) -> None:
    """Put the secret into a table of the copy; a node without reports has none."""
    if secret.exists():
        copy.execute("CREATE TABLE enclosed_secret (content BLOB NOT NULL)")
        copy.execute("INSERT INTO enclosed_secret VALUES (?)", (secret.read_bytes(),))
        copy.commit()


def _enclosed(copy: Path) -> bytes | None:
    """Give the secret in a copy; copies of earlier versions have none."""
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as opened:
        there = opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'enclosed_secret'").fetchone()
        row = opened.execute("SELECT content FROM enclosed_secret").fetchone() if there else None
    return None if row is None else bytes(row[0])


def _take_out(ledger: sqlite3.Connection) -> None:
    """Remove the secret from a ledger, including free pages."""
    ledger.execute("PRAGMA secure_delete = ON")
    ledger.execute("DROP TABLE IF EXISTS enclosed_secret")
    ledger.commit()


def set_aside(ledger: Path, others: Sequence[Path] = ()) -> Path | None:
    """Move the present ledger with its journal into a folder of its own; nothing is ever removed."""
    sides = [Path(f"{ledger}{side}") for side in _SIDES]
    present = [path for path in (*sides, *others) if path.exists()]
    if not present:
        return None
    number = 1
    while (folder := ledger.with_name(f"{ledger.name}.before-restore-{number}")).exists():
        number += 1
    folder.mkdir(mode=0o700)
    for path in present:
        path.rename(folder / path.name)
    fsync_folder(folder)
    fsync_folder(ledger.parent)
    return folder
