"""kill -9 of a process that records marks of a reader: `python -m tests.torture.marks` runs the whole of it.

The child does what the page's server does for each key: record, then acknowledge. It is killed at random
moments; the next one goes on as the page would, sending its last action again under the same id.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.reading import next_hand
from tests.services.reader_studies.builders import ANNA, Reading, new_study


@dataclass(frozen=True)
class MarksVerdict:
    """What was acknowledged, and what the ledger holds of it."""

    acknowledged: int
    kills: int
    lost: int
    doubled: int
    recorded: int


def campaign(folder: Path, hands: int, kills: int, seed: int = 0) -> MarksVerdict:
    """Read a whole study with a server that is killed `kills` times in between."""
    ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite3")
    study = new_study(ledger, Files(folder), hands, plan=StudyPlan(repeats=0))
    rng = random.Random(seed)
    acknowledged: list[str] = []
    for kill in range(kills + 1):
        command = [sys.executable, "-m", "tests.torture.marks", str(folder), study.id]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        until = rng.randint(1, max(1, hands // (kills + 1))) if kill < kills else sys.maxsize
        for line in child.stdout:
            acknowledged.append(line.strip())
            until -= 1
            if until <= 0:
                time.sleep(rng.random() * 0.01)
                child.send_signal(signal.SIGKILL)
                break
        acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
        child.wait()
        child.stdout.close()
    with ledger.read() as connection:
        rows = Counter(connection.execute(text("SELECT action_id FROM judgement")).scalars())
    ledger.close()
    unique = set(acknowledged)
    return MarksVerdict(
        len(unique),
        kills,
        len(unique - set(rows)),
        sum(count > 1 for count in rows.values()),
        len(rows),
    )


def record_all(folder: Path, study_id: str) -> None:
    """Stage every hand that is left; each acknowledgement is a line after the mark is on disk.

    The action id follows from the hand, as the page keeps it until it is acknowledged.
    """
    from ra_node.domain.reader_study.marks import Mark, MarkKind
    from ra_node.services.reader_studies.record import Saved, record

    study = Reading(open_ledger(f"sqlite:///{folder}/ledger.sqlite3"), Files(folder), study_id)
    while (task := next_hand(study.ledger, study.files, study.id, ANNA)) is not None:
        action = f"mark-{task.task}"[:64]
        marks = [Mark(MarkKind.STAGE, "", task.number % 6)]
        done = record(study.ledger, study.files, study.id, ANNA, task.task, action, marks, task.sequence + 1)
        assert isinstance(done, Saved)
        print(action, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        record_all(Path(sys.argv[1]), sys.argv[2])
    else:
        with tempfile.TemporaryDirectory() as name:
            print(campaign(Path(name), hands=100, kills=20))
