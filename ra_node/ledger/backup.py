"""Copies the ledger while the node runs, and puts a copy back; a server's ledger is left to its own tools."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from ra_node.errors import Fatal, Refused

_SIDES = ("", "-wal", "-shm")
"""SQLite's file, its journal and its index; they belong together."""


def file_of(url: str) -> Path:
    """The file of a SQLite ledger; Refused, with what to do, for a server."""
    target = make_url(url)
    if target.get_backend_name() != "sqlite" or not target.database:
        raise Refused("the ledger is on PostgreSQL: back it up with pg_dump, restore it with pg_restore")
    return Path(target.database)


def backup(ledger: Path, to: Path) -> int:
    """Write a consistent copy (SQLite's online backup) that outlives a power cut; give its size in bytes.

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
        expect_sound(unfinished)
        _sync(unfinished)
        unfinished.rename(to)
        _sync(to.parent)
    except OSError as error:
        raise Fatal(f"cannot write {to}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return to.stat().st_size


def restore(copy: Path, ledger: Path) -> Path | None:
    """Put a copy in the place of the ledger; give the folder that holds what was there, None for nothing.

    No process may have the ledger open. Fatal where the copy is none or is not sound.
    """
    expect_sound(copy)
    kept = _set_aside(ledger)
    unfinished = ledger.with_name(f".{ledger.name}.part")
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as source:
            os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            with closing(sqlite3.connect(unfinished)) as target:
                source.backup(target)
        _sync(unfinished)
        unfinished.rename(ledger)
        _sync(ledger.parent)
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


def _set_aside(ledger: Path) -> Path | None:
    """Move the present ledger with its journal into a folder of its own; nothing is ever removed."""
    present = [Path(f"{ledger}{side}") for side in _SIDES if Path(f"{ledger}{side}").exists()]
    if not present:
        return None
    number = 1
    while (folder := ledger.with_name(f"{ledger.name}.before-restore-{number}")).exists():
        number += 1
    folder.mkdir(mode=0o700)
    for path in present:
        path.rename(folder / path.name)
    _sync(ledger.parent)
    return folder


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
