"""State of each destination and of the disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.jobs.peer_backoff import Outage, outages
from ra_node.ledger.overview import open_delivery_counts, unkept_counts, waiting_since


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination; times are UTC seconds since 1970, counts are objects.

    `configured` is False for one that was removed from the configuration: its objects wait until it is added
    again or they are dropped.
    """

    peer: str
    configured: bool
    waiting: int
    waiting_since: float | None
    outages: tuple[Outage, ...]
    uncommitted: int
    lacking_commitment: int


class DiskSpace(StrEnum):
    """State of the disk guard; between the two limits it depends on the previous state."""

    ENOUGH = "enough"
    BETWEEN = "between"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the data folder, in bytes."""

    free: int
    low: int
    enough: int

    @property
    def room(self) -> DiskSpace:
        if self.free < self.low:
            return DiskSpace.LOW
        return DiskSpace.ENOUGH if self.free >= self.enough else DiskSpace.BETWEEN


def standings(ledger: Ledger, configured: Collection[str]) -> list[DestinationStatus]:
    """Every destination that is configured or has queued objects."""
    sent, promised = open_delivery_counts(ledger), unkept_counts(ledger)
    since, broken = waiting_since(ledger), outages(ledger)
    waiting = {peer for peer, state in sent if state is DeliveryState.WAITING}
    unkept = {peer for peer, _ in promised}
    return [
        DestinationStatus(
            peer=peer,
            configured=peer in configured,
            waiting=sent.get((peer, DeliveryState.WAITING), 0),
            waiting_since=since.get(peer),
            outages=tuple(one for one in broken if one.peer == peer),
            uncommitted=promised.get((peer, CommitmentState.WAITING), 0),
            lacking_commitment=promised.get((peer, CommitmentState.LACKING), 0),
        )
        for peer in sorted({*configured, *waiting, *unkept})
    ]


@dataclass(frozen=True, slots=True)
class Complaint:
    """A fault of a destination, and what to do."""

    found: str
    hint: str


def complaints(standing: DestinationStatus, now: float) -> list[Complaint]:
    """Faults of a destination as text; empty without any."""
    said = []
    waiting = standing.waiting + standing.uncommitted + standing.lacking_commitment
    if not standing.configured:
        found = f"{waiting} objects wait for a destination that is not configured"
        hint = f"name it in [[peer]] again, or drop them: ra-node drop --peer {standing.peer}"
        said.append(Complaint(found, hint))
    for one in standing.outages:
        since, soon = round(max(0.0, now - one.since)), round(max(0.0, one.retry_at - now))
        found = f"not reachable ({one.kind}) for {since} s, failed attempts {one.failures}: {one.error}"
        said.append(Complaint(found, f"tried again in {soon} s; at once by ra-node requeue {standing.peer}"))
    if standing.lacking_commitment:
        found = f"{standing.lacking_commitment} objects wait for storage commitment, which it does not offer"
        said.append(Complaint(found, "allow it for our AE title there, or set commitment = false"))
    return said
