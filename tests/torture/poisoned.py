"""An image that kills the worker that looks at it, in one batch with others that do not."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, open_ledger
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.torture.broken import POISON_UID
from tests.torture.campaign import PATIENCE_S, Keeper, Score, at_rest, plans_for
from tests.torture.load import STORESCU, Image, one_image, store
from tests.torture.points import POINTS
from tests.torture.role import spawn

MATES = 4
EXTRA = "[limits]\njob_lease_s = 10\nmin_free_gib = 0.1"


@dataclass(frozen=True, slots=True)
class Poisoned:
    """What became of the batch: images buried and examined, by SOP Instance UID; studies with a report."""

    buried: tuple[str, ...]
    examined: tuple[str, ...]
    answered: int
    deaths: int


def poison(folder: Path) -> Poisoned:
    """Let one batch of images wait for a worker that dies of one of them, and is started again each time."""
    node = Node(folder / "node", [], sources=[STORESCU], quiet_s=0.2, extra=EXTRA)
    node.write_config()
    state = node.folder / "state"
    state.mkdir(mode=0o700)
    ledger = open_ledger(f"sqlite:///{state / 'ledger.sqlite3'}")
    listener = spawn("listen", node.config, node.folder / "listen.log")
    images = batch(folder)
    wait_until(lambda: store(STORESCU, node.port, images[:1]), "the listener", 600)
    assert len(store(STORESCU, node.port, images)) == len(images)
    scheduler = spawn("schedule", node.config, node.folder / "schedule.log")
    score = Score(broken="die of one image")
    unplanned = plans_for("work", random.Random(1), POINTS)
    worker = Keeper("work", node, unplanned, score, 0, every_point=False, patience_s=PATIENCE_S)
    worker.start()
    try:
        wait_until(lambda: at_rest(ledger) and _answered(ledger) > MATES, "the node to come to rest", 900)
        ends = _ends(ledger)
        deaths = node.log("work").count('"role_startup_completed"') - 1
        return Poisoned(
            tuple(uid for uid, end in ends.items() if end == JobState.BURIED),
            tuple(uid for uid, end in ends.items() if end == JobState.DONE),
            _answered(ledger),
            deaths,
        )
    finally:
        worker.end()
        for process in (listener, scheduler):
            process.kill()
        ledger.close()


def batch(folder: Path) -> list[Image]:
    """The poisonous image among its batch mates, each a study of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    uids = [f"2.25.1{number}" for number in range(MATES)]
    uids.insert(MATES // 2, POISON_UID)
    return [one_image(folder / f"{n}.dcm", f"2.25.2{n}", uid) for n, uid in enumerate(uids)]


def _ends(ledger: Ledger) -> dict[str, str]:
    job, image = schema.job, schema.instance
    query = select(image.c.sop_instance_uid, job.c.state).join(image, image.c.id == job.c.instance_id)
    with ledger.read() as connection:
        return {
            row.sop_instance_uid: row.state
            for row in connection.execute(query.where(job.c.kind == JobKind.EXAMINE))
        }


def _answered(ledger: Ledger) -> int:
    with ledger.read() as connection:
        return len(connection.execute(select(schema.result.c.study_uid)).all())
