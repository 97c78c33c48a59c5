"""Kills the roles of a node under load, at chosen points and at random, until the kills are used up.

One keeper a role starts it, lets it die by its plan and starts it again. All randomness comes from one
seed; what the seed cannot fix is how the machine schedules the processes meanwhile.
"""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import func, select

from ra_node.domain.job import JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, open_ledger
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.storage.durable_files import Files
from ra_node.ledger.withdrawals import waiting_withdrawals
from ra_node.network.scu.c_store import echo
from tests.conftest import wait_until
from tests.node.harness import ROLES, Node, Orthanc
from tests.torture.load import DCMSEND, STORESCU, Acknowledged, Sender, Shared, studies
from tests.torture.points import POINTS, Point
from tests.torture.role import Plan, spawn
from tests.torture.verdict import Verdict, compare

PATIENCE_S = 12.0
"""A point that is not passed in this time gives way to a kill at that moment, and comes again later."""
BACKLOG = 25
"""Studies without an answer beyond which the senders pause, so that the end does not take an hour."""
AT_RANDOM, ALL_AT_ONCE = "at a random moment", "all roles at once"
EXTRA = "[limits]\njob_lease_s = 15\nmin_free_gib = 0.1\nassociations = 20\ncommitment_silence_s = 5"


@dataclass
class Score:
    """What was killed, by role and point."""

    points: Sequence[Point] = POINTS
    broken: str = ""
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    buried: int = 0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def of(self, role: str) -> int:
        return sum(count for (killed, _), count in self.kills.items() if killed == role)

    def missing(self, role: str) -> list[Point]:
        return [p for p in self.points if p.role == role and not self.kills[role, p.words]]


class Keeper(threading.Thread):
    """Keeps one role running: each time by the next plan until its kills are used up, then to stay."""

    def __init__(
        self,
        role: str,
        node: Node,
        plans: Iterator[Plan | float],
        score: Score,
        kills: int,
        *,
        every_point: bool,
        patience_s: float,
    ) -> None:
        super().__init__(name=f"keeper of {role}", daemon=True)
        self.role, self.node, self.plans, self.score, self.kills = role, node, plans, score, kills
        self.every_point, self.patience_s = every_point, patience_s
        self.process: ForkServerProcess | None = None
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            self._live_and_die(None if self.idle else next(self.plans))

    @property
    def idle(self) -> bool:
        """Enough kills, and every point covered unless it would take twice as many."""
        done = self.score.of(self.role)
        missing = self.score.missing(self.role)
        return done >= self.kills and (not self.every_point or not missing or done >= 2 * self.kills)

    @property
    def alive(self) -> bool:
        process = self.process
        return process is not None and process.pid is not None and process.is_alive()

    def kill(self, why: str) -> None:
        process = self.process
        if process is not None and self.alive:
            self.score.kills[self.role, why] += 1
            with suppress(ProcessLookupError):
                os.kill(int(process.pid or 0), signal.SIGKILL)

    def end(self) -> None:
        self.ending.set()
        process = self.process
        if process is not None and process.is_alive():
            process.terminate()
        self.join(300)

    def _live_and_die(self, plan: Plan | float | None) -> None:
        log = self.node.folder / f"{self.role}.log"
        broken = self.score.broken
        named = plan if isinstance(plan, Plan) else Plan(broken=broken)
        process = self.process = spawn(self.role, self.node.config, log, named)
        if isinstance(plan, Plan):
            process.join(self.patience_s)
            self._count(process, plan)
        elif plan is not None:
            process.join(plan)
            self.kill(AT_RANDOM)
        process.join()

    def _count(self, process: ForkServerProcess, plan: Plan) -> None:
        assert plan.point is not None
        if process.is_alive():
            self.kill(AT_RANDOM)
        elif process.exitcode == -signal.SIGKILL and not self.ending.is_set():
            self.score.kills[self.role, plan.point.words] += 1


def plans_for(
    role: str, draw: random.Random, points: Sequence[Point], broken: str = ""
) -> Iterator[Plan | float]:
    """Every point of a role in turn, in a new order each time, with a random moment among them."""
    own = [point for point in points if point.role == role]
    nths = [1, 1, 2, 3]
    while True:
        for point in draw.sample(own, len(own)):
            yield Plan(point, draw.choice(nths), broken=broken)
            if draw.random() < 0.15:
                yield draw.uniform(0.3, 3.0)
        nths = [1]


@dataclass
class Campaign:
    """A node, its PACS and its modalities, to be killed `kills` times, in folders below `folder`."""

    folder: Path
    orthanc: Orthanc
    kills: int
    seed: int
    broken: str = ""
    points: Sequence[Point] = POINTS
    roles: Sequence[str] = ROLES
    extra: str = EXTRA
    every_point: bool = True
    patience_s: float = PATIENCE_S
    told: Acknowledged = field(default_factory=Acknowledged)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.score = Score(self.points, self.broken)
        self.node = Node(
            self.folder / "node",
            destinations=[],
            sources=[STORESCU, DCMSEND],
            quiet_s=0.3,
            extra=f"{self.extra}\n{_destination(self.orthanc)}",
        )
        self.orthanc.introduce("RA_NODE", self.node.port)
        self.node.write_config()
        self.state = self.node.folder / "state"
        self.state.mkdir(mode=0o700, parents=True)
        self.ledger = open_ledger(f"sqlite:///{self.state / 'ledger.sqlite3'}")

    def run(self, drain_s: float = 600.0) -> Verdict:
        """Kill, let the node come to rest, and compare what was acknowledged with what the PACS holds."""
        started = time.monotonic()
        share = math.ceil(self.kills / len(self.roles))
        keepers = [
            Keeper(
                role,
                self.node,
                plans_for(role, self.draw, self.points, self.broken),
                self.score,
                share if role in self.roles else 0,
                every_point=self.every_point and role in self.roles,
                patience_s=self.patience_s,
            )
            for role in ROLES
        ]
        for keeper in keepers:
            keeper.start()
        senders = self._senders()
        try:
            self._until_used_up(keepers, senders)
            self._come_to_rest(keepers, senders, drain_s)
        finally:
            for sender in senders:
                sender.enough.set()
            for keeper in keepers:
                keeper.end()
        self.score.seconds = time.monotonic() - started
        return self.verdict()

    def verdict(self) -> Verdict:
        """What was acknowledged beside what the PACS holds."""
        return compare(self.orthanc, self.ledger, Files(self.state), list(self.told.images.values()))

    def _senders(self) -> Sequence[Sender]:
        source = Shared(studies(self.folder / "sent", self.seed))
        senders = [
            Sender(program, self.node.port, source, self.told, self.draw.randrange(2**32))
            for program in (STORESCU, DCMSEND)
        ]
        for sender in senders:
            sender.start()
        return senders

    def _until_used_up(self, keepers: list[Keeper], senders: Sequence[Sender]) -> None:
        at_once = math.ceil(self.kills * 0.15 / len(keepers)) if set(self.roles) == set(ROLES) else 0
        pause = threading.Event()
        next_at = 0.0
        while at_once or not all(keeper.idle for keeper in keepers):
            self._pace(senders)
            if at_once and time.monotonic() > next_at and all(keeper.alive for keeper in keepers):
                for keeper in keepers:
                    keeper.kill(ALL_AT_ONCE)
                at_once -= 1
                next_at = time.monotonic() + self.draw.uniform(2, 8)
            pause.wait(0.2)

    def _pace(self, senders: Sequence[Sender]) -> None:
        few = len(self.told.studies) - self._answered() < BACKLOG
        for sender in senders:
            assert sender.failure is None, sender.failure
            sender.may_go_on.set() if few else sender.may_go_on.clear()

    def _answered(self) -> int:
        with self.ledger.read() as connection:
            return int(
                connection.execute(select(func.count(func.distinct(schema.result.c.study_uid)))).scalar() or 0
            )

    def _come_to_rest(self, keepers: list[Keeper], senders: Sequence[Sender], drain_s: float) -> None:
        wait_until(lambda: echo(self.node.address).alive, "the node's C-ECHO", 600)
        for sender in senders:
            sender.enough.set()
        for sender in senders:
            sender.join(drain_s)
            assert not sender.is_alive(), f"{sender.name} could not send what it held"
        wait_until(self._at_rest, "the node to come to rest", drain_s)
        self.score.buried = self._bring_back()
        if self.score.buried:
            wait_until(self._at_rest, "what an operator brought back", drain_s)

    def _at_rest(self) -> bool:
        return at_rest(self.ledger) and not waiting_withdrawals(self.ledger)

    def committed(self) -> tuple[int, int]:
        """How many deliveries the PACS has promised to keep, and how many it accepted."""
        delivery = schema.delivery
        accepted = select(delivery.c.commitment).where(delivery.c.state == DeliveryState.ACCEPTED)
        with self.ledger.read() as connection:
            states = connection.execute(accepted).scalars().all()
        return sum(state == CommitmentState.COMMITTED for state in states), len(states)

    def _bring_back(self) -> int:
        """Requeue what died too often, as an operator would; each is counted in the table."""
        job = schema.job
        with self.ledger.read() as connection:
            buried = (
                connection.execute(select(job.c.id).where(job.c.state == JobState.BURIED)).scalars().all()
            )
        return sum(requeue(self.ledger, name) for name in buried)


def _destination(pacs: Orthanc) -> str:
    """The PACS as a destination that is asked to commit itself to every answer."""
    return (
        f'[[peer]]\nname = "pacs"\nae_title = "{pacs.ae_title}"\nport = {pacs.dicom_port}\n'
        'roles = ["destination"]\ncommitment = true\n'
    )


def at_rest(ledger: Ledger) -> bool:
    """Nothing waits: every image has its version, and every job has ended."""
    job, image = schema.job, schema.instance
    open_jobs = select(func.count()).where(job.c.state.in_([JobState.READY, JobState.LEASED]))
    unversioned = select(func.count()).where(image.c.version.is_(None), image.c.counts)
    with ledger.read() as connection:
        return not connection.execute(open_jobs).scalar() and not connection.execute(unversioned).scalar()
