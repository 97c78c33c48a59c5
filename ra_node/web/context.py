"""Data sources of the pages, built once a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ra_node.inference.bundles.bundle import Bundle
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.promotions import Promotion
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.delivery.destination_status import Disk
from ra_node.services.models.status import Models
from ra_node.services.monitoring.event_follower import EventFollower
from ra_node.services.monitoring.health import Health
from ra_node.services.monitoring.overlay_preview import OverlayPreviews
from ra_node.settings.web import WebTable
from ra_node.web.ended_sessions import EndedSessions
from ra_node.web.login_throttle import Throttle
from ra_node.web.passwords import Passwords


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """A configured peer: its name, address and roles. `callable` is False for a network or without a port."""

    name: str
    ae_title: str
    host: str
    port: int
    tls: bool
    roles: tuple[str, ...]
    callable: bool


@dataclass(frozen=True, slots=True)
class EchoResult:
    """Result of a C-ECHO: UTC seconds since 1970, the finding, and what to do, "" where all is well."""

    at: float
    ok: bool
    found: str
    hint: str


@dataclass(frozen=True, slots=True, eq=False)
class PageContext:
    """Context of the pages. `card` gives the bundle in use, None where it cannot be read."""

    node: str
    table: WebTable
    language: str
    """[results] language, also of the reader study pages."""
    ledger: Ledger
    files: Files
    follower: EventFollower
    health: Health
    shown: OverlayPreviews
    peers: Sequence[PeerEntry]
    echo: Callable[[str], EchoResult]
    """Calls a configured destination or source by its name."""
    echoes: dict[str, EchoResult]
    """The last result by peer, of this process."""
    destinations: Sequence[str]
    disk: Callable[[], Disk | None]
    models: Callable[[], Models]
    card: Callable[[], Bundle | None]
    history: Callable[[], Sequence[Promotion]]
    passwords: Passwords
    throttle: Throttle
    ended: EndedSessions
    digests: Callable[[str], list[str]]
    """Keyed hashes of a typed patient ID or accession number, and of what it was merged with."""
    certificates: Callable[[], dict[str, float]]
    """Expiry of each certificate, UTC seconds since 1970, by its key in [tls]."""

    @property
    def sources(self) -> list[PeerEntry]:
        """Peers that send to the node."""
        return [peer for peer in self.peers if "source" in peer.roles]
