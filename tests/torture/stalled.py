"""A worker that is stopped in mid-work, past its lease, and wakes up when another has done its job."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import open_ledger
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.ports import free_port
from tests.torture.campaign import at_rest
from tests.torture.load import STORESCU, store, studies
from tests.torture.points import WORK
from tests.torture.role import Plan, spawn
from tests.torture.verdict import duplicate_facts

EXTRA = "[limits]\njob_lease_s = 2\nmin_free_gib = 0.1"


@dataclass(frozen=True, slots=True)
class Woken:
    """What the timeline tells twice, and whether the worker that woke up said that it lost its lease."""

    duplicate_facts: tuple[str, ...]
    gave_way: bool


def stall(folder: Path, broken: str = "") -> Woken:
    """Stop a worker right before it records an examination; wake it when another has recorded it."""
    node = Node(folder / "node", [], sources=[STORESCU], quiet_s=0.2, extra=EXTRA, port=free_port())
    node.write_config()
    state = node.folder / "state"
    state.mkdir(mode=0o700)
    ledger = open_ledger(f"sqlite:///{state / 'ledger.sqlite3'}")
    about_to_record = next(point for point in WORK if point.words == "examination not recorded")
    asleep = Plan(about_to_record, signal=signal.SIGSTOP, broken=broken)
    logs = {name: node.folder / f"{name}.log" for name in ("listen", "schedule", "asleep", "work")}
    running = [spawn(role, node.config, logs[role]) for role in ("listen", "schedule")]
    running.append(sleeper := spawn("work", node.config, logs["asleep"], asleep))
    try:
        image = next(one for study in studies(folder / "sent", 3, hands_share=1.0) for one in study)
        wait_until(lambda: store(STORESCU, node.port, [image]), "an acknowledgement", 600)
        wait_until(lambda: _state(sleeper.pid) == "T", "the first worker to fall asleep", 600)
        running.append(spawn("work", node.config, logs["work"]))
        wait_until(lambda: _answers(ledger) and at_rest(ledger), "the second worker to do the job", 600)
        os.kill(int(sleeper.pid or 0), signal.SIGCONT)
        wait_until(lambda: _has_come_back(logs["asleep"]), "the first worker to go on", 600)
        return Woken(
            tuple(duplicate_facts(ledger)), "lease_lost" in logs["asleep"].read_text(encoding="utf-8")
        )
    finally:
        for process in running:
            process.kill()
        ledger.close()


def _state(pid: int | None) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def _answers(ledger) -> int:
    with ledger.read() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.result)).scalar() or 0)


def _has_come_back(log: Path) -> bool:
    said = log.read_text(encoding="utf-8")
    return "lease_lost" in said or "image_analysed" in said
