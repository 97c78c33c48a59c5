"""A PostgreSQL server of the tests' own, in a temporary folder, reached through a socket in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl, None where PostgreSQL is not installed."""
    beside = shutil.which("initdb")
    places = [Path(beside).resolve().parent] if beside else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(
        (place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None
    )


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """Run a server; give the URL of its maintenance database."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="ra-node-pg-", dir=place))
    try:
        yield from _run(programs, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(programs: Path, folder: Path) -> Iterator[str]:
    data = folder / "data"
    account = _account(folder)

    def call(program: str, *arguments: str) -> None:
        command = [programs / program, "-D", data, *arguments]
        with (folder / "tools.log").open("a") as log:
            subprocess.run(command, check=True, cwd=folder, stdout=log, stderr=log, timeout=600, **account)

    call("initdb", "-U", "ledger", "--auth=trust", "--no-sync", "--wal-segsize=1", "-E", "UTF8", "--locale=C")
    call(
        "pg_ctl",
        "-w",
        "-t",
        "500",
        "-l",
        str(folder / "server.log"),
        "-o",
        f"-F -c shared_buffers=16MB -k {folder} -c listen_addresses=''",
        "start",
    )
    try:
        yield f"postgresql+pg8000://ledger@/postgres?unix_sock={folder}/.s.PGSQL.5432"
    finally:
        call("pg_ctl", "-m", "immediate", "stop")


def _account(folder: Path) -> dict[str, object]:
    """The server refuses to run as root: then an account without rights runs it."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    (folder / "tools.log").touch()
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
