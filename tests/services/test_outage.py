"""A destination is down for 72 simulated hours with 500 studies waiting: none is lost, doubled or late."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from ra_node.domain.job import LONGEST_RETRY_S, JobKind
from ra_node.ledger import schema
from ra_node.ledger.engine import Ledger, open_ledger
from ra_node.ledger.files import Files
from ra_node.ledger.outage import outages
from ra_node.ledger.overview import buried_jobs, delivery_counts
from ra_node.ledger.queue import claim, enqueue
from ra_node.ledger.schema import DeliveryState
from ra_node.network.call import PeerAddress, Reach
from ra_node.network.outcome import Answer
from ra_node.network.send import SendOutcome, SendReport
from ra_node.services.deliver import Deliverer
from tests.ledger.builders import LEASE_S, FakeClock

STUDIES, OUTAGE_H, HOUR_S = 500, 72, 3600.0
AT_ONCE = 5
EVERY_S = OUTAGE_H * HOUR_S / STUDIES * AT_ONCE
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Network:
    """Two destinations, of which `pacs` is down until `back_at`; remembers every attempt."""

    clock: FakeClock
    back_at: float
    attempts: list[float] = field(default_factory=list)
    associations: dict[str, int] = field(default_factory=dict)
    received: dict[str, list[tuple[str, float]]] = field(default_factory=dict)

    def send(self, peer, objects, tell, *, stopping) -> SendReport:
        if peer.name == "pacs" and self.clock.now < self.back_at:
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


@pytest.fixture
def node() -> Iterator[tuple[Ledger, Network, Deliverer]]:
    clock = FakeClock()
    with tempfile.TemporaryDirectory(prefix="ra-node-outage-", dir=MEMORY) as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite", clock)
        network = Network(clock, clock.now + OUTAGE_H * HOUR_S)
        peers = {name: PeerAddress(name, name, "127.0.0.1", 104, "RA_NODE") for name in ("pacs", "viewer")}
        files = Files(Path(folder))
        yield (
            ledger,
            network,
            Deliverer(ledger, files, peers, 7 * 86400.0, send=network.send, random=Random(5)),
        )
        ledger.close()


def answered(ledger: Ledger, number: int) -> None:
    """An answered study as its rows: a report and an overlay that wait for both destinations."""
    study, now = f"1.2.{number}", ledger.clock()
    objects = [
        {"sop_instance_uid": f"{study}.{n}", "study_uid": study, "version": 1, "kind": kind}
        for n, kind in ((1, "sr"), (2, "overlay"))
    ]
    with ledger.write() as connection:
        times = {"first_received_at": now, "last_received_at": now, "version": 1, "answered_version": 1}
        connection.execute(schema.study.insert(), [{"study_uid": study, "state": "answered", **times}])
        row = {
            "study_uid": study,
            "version": 1,
            "report_json": "{}",
            "created_at": now,
            "sr_uid": f"{study}.1",
        }
        connection.execute(schema.result.insert(), [row])
        files = [
            {**one, "sop_class_uid": "1.2", "path": f"results/{one['sop_instance_uid']}"} for one in objects
        ]
        connection.execute(schema.result_object.insert(), files)
        for peer in ("pacs", "viewer"):
            waiting = {"peer": peer, "state": DeliveryState.WAITING, "attempts": 0, "updated_at": now}
            rows = [{"object_uid": one["sop_instance_uid"], **waiting} for one in objects]
            connection.execute(schema.delivery.insert(), rows)
            key = f"deliver:{study}:1:{peer}"
            enqueue(connection, ledger, JobKind.DELIVER, key, study, version=1, peer=peer)


def work_through(ledger: Ledger, deliverer: Deliverer) -> None:
    """What the role's two lines do until nothing can be claimed."""
    for peer in deliverer.peers:
        while jobs := claim(ledger, [JobKind.DELIVER], "d", 16, LEASE_S, peer=peer):
            deliverer.deliver(jobs)


def pass_time(ledger: Ledger, deliverer: Deliverer, clock: FakeClock, until: float) -> None:
    """Let the line of the destination that is down come back whenever its time has come."""
    while (next_try := min((one.retry_at for one in outages(ledger)), default=until)) < until:
        clock.now = next_try
        work_through(ledger, deliverer)
    clock.now = until


def test_500_studies_of_three_days_arrive_once_and_in_order_and_delay_nobody_else(node):
    ledger, network, deliverer = node
    clock, arrived = network.clock, {}
    for number in range(STUDIES):
        answered(ledger, number)
        arrived[f"1.2.{number}"] = clock.now
        clock.advance(0.001)
        if number % AT_ONCE == AT_ONCE - 1:
            work_through(ledger, deliverer)
            pass_time(ledger, deliverer, clock, clock.now + EVERY_S)
    pass_time(ledger, deliverer, clock, network.back_at + 2 * LONGEST_RETRY_S)
    wanted = [f"1.2.{number}.{n}" for number in range(STUDIES) for n in (1, 2)]
    for peer in ("pacs", "viewer"):
        assert [uid for uid, _ in network.received[peer]] == wanted, "each once, the oldest first"
    delays = [at - arrived[uid.rpartition(".")[0]] for uid, at in network.received["viewer"]]
    assert max(delays) < 0.01, "the other destination saw none of it"
    assert {at - network.back_at <= LONGEST_RETRY_S for _, at in network.received["pacs"]} == {True}
    assert network.associations["pacs"] < STUDIES / 10, "few associations carry them all"
    assert delivery_counts(ledger) == {
        ("pacs", DeliveryState.ACCEPTED): 2 * STUDIES,
        ("viewer", DeliveryState.ACCEPTED): 2 * STUDIES,
    }
    assert buried_jobs(ledger) == []
    assert outages(ledger) == []
    pauses = [round(after - before) for before, after in pairwise(network.attempts)]
    assert max(pauses) <= LONGEST_RETRY_S
    assert OUTAGE_H < len(network.attempts) < 3 * OUTAGE_H
    assert len(set(pauses[15:])) > 30, "without jitter all nodes would come back in one moment"
