"""A destination that is down for days of simulated time, beside one that is not."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ra_node.domain.job import LONGEST_RETRY_S, JobKind
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, open_ledger
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.jobs.peer_backoff import outages
from ra_node.ledger.jobs.queue import claim, enqueue
from ra_node.ledger.overview import buried_jobs, delivery_counts
from ra_node.ledger.storage.durable_files import Files
from ra_node.network.scu.association import PeerAddress, Reach
from ra_node.network.scu.c_store import SendOutcome, SendReport
from ra_node.network.status.c_store import Answer
from ra_node.services.delivery.deliver import Deliverer
from tests.dicom.builders import source
from tests.ledger.builders import LEASE_S, FakeClock

STUDIES, OUTAGE_H, HOUR_S = 500, 72, 3600.0
AT_ONCE = 5
DOWN, UP = "pacs", "viewer"
OBJECT = "object.dcm"
"""One file stands for all objects: what is sent is not looked at."""
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Network:
    """Two destinations, of which one is down until `back_at`; remembers every attempt."""

    clock: FakeClock
    back_at: float
    attempts: list[float] = field(default_factory=list)
    associations: dict[str, int] = field(default_factory=dict)
    received: dict[str, list[tuple[str, float]]] = field(default_factory=dict)

    def send(self, peer, objects, tell, *, stopping) -> SendReport:
        if peer.name == DOWN and self.clock.now < self.back_at:
            self.attempts.append(self.clock.now)
            untried = [SendOutcome(one.sop_instance_uid, "", Answer.UNTRIED, None, "") for one in objects]
            return SendReport(peer.name, Reach.UNREACHABLE, "cannot be reached", tuple(untried))
        self.associations[peer.name] = self.associations.get(peer.name, 0) + 1
        outcomes = []
        for one in objects:
            uid = one.sop_instance_uid
            self.received.setdefault(peer.name, []).append((uid, self.clock.now))
            outcomes.append(SendOutcome(uid, uid, Answer.ACCEPTED, 0, "0x0000 success"))
            tell(outcomes[-1])
        return SendReport(peer.name, Reach.ACCEPTED, "association accepted", tuple(outcomes))


@dataclass
class OutageResult:
    """What became of the objects of an outage; times in simulated seconds."""

    network: Network
    wanted: list[str]
    """All objects, the oldest first."""
    delay_of_the_other_s: float
    after_the_return_s: float
    counts: dict[tuple[str, DeliveryState], int]
    """What the ledger says of the objects, by destination and state."""
    buried: int
    still_out: int

    def arrived(self, peer: str) -> list[str]:
        """The objects that a destination was given, in the order in which they came."""
        return [uid for uid, _ in self.network.received.get(peer, [])]


def run_outage(studies: int = STUDIES, hours: float = OUTAGE_H) -> OutageResult:
    """Answer studies all through an outage of that many hours, then let the destination come back."""
    clock = FakeClock()
    with tempfile.TemporaryDirectory(prefix="ra-node-outage-", dir=MEMORY) as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite", clock)
        source().save_as(Path(folder) / OBJECT, enforce_file_format=True)
        network = Network(clock, clock.now + hours * HOUR_S)
        peers = {name: PeerAddress(name, name, "127.0.0.1", 104, "RA_NODE") for name in (DOWN, UP)}
        deliverer = Deliverer(
            ledger, Files(Path(folder)), peers, 7 * 86400.0, send=network.send, random=Random(5)
        )
        try:
            return _run(ledger, network, deliverer, studies, hours * HOUR_S / studies * AT_ONCE)
        finally:
            ledger.close()


def _run(
    ledger: Ledger, network: Network, deliverer: Deliverer, studies: int, every_s: float
) -> OutageResult:
    clock, answered_at = network.clock, {}
    for number in range(studies):
        _answer(ledger, number)
        answered_at[f"1.2.{number}"] = clock.now
        clock.advance(0.001)
        if number % AT_ONCE == AT_ONCE - 1:
            _work_through(ledger, deliverer)
            _pass_time(ledger, deliverer, clock, clock.now + every_s)
    _pass_time(ledger, deliverer, clock, network.back_at + 2 * LONGEST_RETRY_S)
    delays = [at - answered_at[uid.rpartition(".")[0]] for uid, at in network.received[UP]]
    return OutageResult(
        network,
        [f"1.2.{number}.{n}" for number in range(studies) for n in (1, 2)],
        max(delays),
        max(at - network.back_at for _, at in network.received[DOWN]),
        delivery_counts(ledger),
        len(buried_jobs(ledger)),
        len(outages(ledger)),
    )


def _answer(ledger: Ledger, number: int) -> None:
    """An answered study as its rows: a report and an overlay that wait for both destinations."""
    study, now = f"1.2.{number}", ledger.clock()
    objects = [
        {"sop_instance_uid": f"{study}.{n}", "study_uid": study, "version": 1, "kind": kind}
        for n, kind in ((1, "sr"), (2, "overlay"))
    ]
    times = {"first_received_at": now, "last_received_at": now, "version": 1, "answered_version": 1}
    result = {"report_json": "{}", "created_at": now, "sr_uid": f"{study}.1"}
    files = [{**one, "sop_class_uid": "1.2", "path": OBJECT} for one in objects]
    with ledger.write() as connection:
        connection.execute(schema.study.insert(), [{"study_uid": study, "state": "answered", **times}])
        connection.execute(schema.result.insert(), [{"study_uid": study, "version": 1, **result}])
        connection.execute(schema.result_object.insert(), files)
        for peer in (DOWN, UP):
            waiting = {"peer": peer, "state": DeliveryState.WAITING, "attempts": 0, "updated_at": now}
            rows = [{"object_uid": one["sop_instance_uid"], **waiting} for one in objects]
            connection.execute(schema.delivery.insert(), rows)
            key = f"deliver:{study}:1:{peer}"
            enqueue(connection, ledger, JobKind.DELIVER, key, study, version=1, peer=peer)


def _work_through(ledger: Ledger, deliverer: Deliverer) -> None:
    """What the role's two lines do until nothing can be claimed."""
    for peer in deliverer.peers:
        while jobs := claim(ledger, [JobKind.DELIVER], "d", 16, LEASE_S, peer=peer):
            deliverer.deliver(jobs)


def _pass_time(ledger: Ledger, deliverer: Deliverer, clock: FakeClock, until: float) -> None:
    """Let the line of the destination that is down come back whenever its time has come."""
    while (next_try := min((one.retry_at for one in outages(ledger)), default=until)) < until:
        clock.now = next_try
        _work_through(ledger, deliverer)
    clock.now = until
