"""Builds the operator page: data access, authentication, server."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ra_node.bootstrap.node_context import State, build_guard, build_shelf, lost_state, open_state
from ra_node.errors import Fatal, NodeError, NotReady
from ra_node.ledger.database.engine import LedgerLost
from ra_node.ledger.storage.identity import Unbound
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import uvicorn

    from ra_node.inference.bundles.bundle import Bundle
    from ra_node.services.delivery.destination_status import Disk
    from ra_node.services.models.registry import BundleRegistry
    from ra_node.services.monitoring.event_follower import EventFollower
    from ra_node.services.monitoring.health import Health
    from ra_node.web.context import EchoResult, PageContext
    from ra_node.web.passwords import Passwords


def state_for_page(settings: Settings) -> tuple[State, Callable[[], None]]:
    """State for the page, also without a ledger, and a check that raises LedgerLost when it must restart."""
    try:
        state = open_state(settings)
    except Unbound as error:
        return lost_state(settings, str(error)), lambda: _expect_lost(settings)
    return state, state.ledger.expect_file


def _expect_lost(settings: Settings) -> None:
    try:
        open_state(settings).ledger.close()
    except NodeError:
        return
    raise LedgerLost("expected a lost ledger, found it again: the page restarts")


def expect_free_port(settings: Settings) -> None:
    """Fatal for an address that this machine cannot have, NotReady while its port is held."""
    import socket

    where = (settings.web.host, settings.web.port)
    try:
        family, kind, *_, address = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        held = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
        kind_of_error = NotReady if held else Fatal
        raise kind_of_error(f"[web]: expected to listen on {where[0]}:{where[1]}, found: {error}") from error


def build_server(
    settings: Settings, desk: PageContext, tick: Callable[[], object] = lambda: None
) -> uvicorn.Server:
    """HTTP server of the page, not yet started; logs errors only.

    `tick` is called by its event loop ten times a second.
    """
    import uvicorn

    from ra_node.web.app import build_app
    from ra_node.web.http_protocol import HeaderTimeoutProtocol
    from ra_node.web.session_key import session_key

    class Ticking(uvicorn.Server):
        async def on_tick(self, counter: int) -> bool:
            tick()
            return await super().on_tick(counter)

    app = build_app(desk, session_key(settings.node.data_dir / "web-session-key"))
    return Ticking(
        uvicorn.Config(
            app,
            host=settings.web.host,
            port=settings.web.port,
            proxy_headers=False,  # the application checks trusted proxies itself
            server_header=False,
            access_log=False,
            log_config=None,
            http=HeaderTimeoutProtocol,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=3,
        )
    )


def build_desk(settings: Settings, state: State) -> PageContext:
    """Data sources of the page."""
    from ra_node.services.models.status import models
    from ra_node.services.monitoring.overlay_preview import OverlayPreviews
    from ra_node.web.context import PageContext, PeerEntry
    from ra_node.web.ended_sessions import EndedSessions
    from ra_node.web.login_throttle import Throttle

    shelf, run = build_shelf(settings, state), settings.node.data_dir / "run"
    return PageContext(
        node=settings.node.station_name,
        table=settings.web,
        language=settings.results.language,
        ledger=state.ledger,
        files=state.files,
        follower=_follower(state),
        health=build_health(settings, state),
        shown=OverlayPreviews(state.ledger, state.files),
        peers=[
            PeerEntry(
                peer.name,
                peer.ae_title,
                peer.host,
                peer.port,
                peer.tls,
                tuple(peer.roles),
                peer.port > 0 and peer.host != "*" and "/" not in peer.host,
            )
            for peer in settings.peer
        ],
        echo=lambda name: _echo(settings, name),
        echoes={},
        destinations=[peer.name for peer in settings.destinations],
        disk=lambda: _disk(settings),
        models=lambda: models(run, shelf.in_use),
        card=lambda: _bundle(shelf),
        history=shelf.history,
        passwords=passwords(settings),
        throttle=Throttle(),
        ended=EndedSessions(settings.node.data_dir / "web-sessions-ended"),
        digests=lambda typed: _digests(settings, state, typed),
        certificates=lambda: _certificates(settings),
    )


def build_health(settings: Settings, state: State) -> Health:
    """Readiness conditions of the node; without a destination the role `deliver` is not needed."""
    from ra_node.services.monitoring.health import Health

    guard = build_guard(settings)
    run = settings.node.data_dir / "run"
    return Health(state.ledger, guard.has_room, run, needed_roles(settings))


def needed_roles(settings: Settings) -> tuple[str, ...]:
    """Roles without which a study is not received, reported and delivered."""
    delivers = ("deliver",) if settings.destinations else ()
    return ("listen", "work", *delivers, "schedule")


def passwords(settings: Settings) -> Passwords:
    """Authentication of the page."""
    from ra_node.web.passwords import Passwords

    path = settings.web.password_file
    assert path is not None  # anchored when the settings were read
    return Passwords(path)


def _follower(state: State) -> EventFollower:
    from ra_node.services.monitoring.event_follower import EventFollower

    return EventFollower(state.ledger)


def _disk(settings: Settings) -> Disk | None:
    from ra_node.ledger.storage.disk_guard import free_bytes
    from ra_node.services.delivery.destination_status import Disk

    limits = settings.limits
    try:
        return Disk(free_bytes(settings.node.data_dir), limits.low_bytes, limits.enough_bytes)
    except OSError:
        return None


def _bundle(shelf: BundleRegistry) -> Bundle | None:
    from ra_node.inference.bundles.bundle import read_bundle

    try:
        return read_bundle(shelf.folder_of(shelf.wanted()))
    except NodeError:
        return None


def _echo(settings: Settings, name: str) -> EchoResult:
    """C-ECHO to a configured peer, with time-outs that a person waits for."""
    import time
    from dataclasses import replace

    from ra_node.bootstrap.node_context import address
    from ra_node.services.preflight.checks import check_echo, check_peer
    from ra_node.web.context import EchoResult

    (peer,) = (peer for peer in settings.peer if peer.name == name)
    called = replace(
        address(settings, peer), connect_timeout_s=5.0, acse_timeout_s=10.0, dimse_timeout_s=10.0
    )
    if "destination" in peer.roles:
        found = check_peer(called, commitment=peer.commitment, options=peer.options)
    else:
        found = check_echo(called)
    return EchoResult(time.time(), found.ok, found.found, found.hint)


def _digests(settings: Settings, state: State, typed: str) -> list[str]:
    """Keyed hashes of a typed identifier; the secret is read from the data folder and not kept."""
    from ra_node.ledger.patient_key import KEY_FILE, open_secret
    from ra_node.ledger.search.terms import identifier_digests, with_merged

    secret = open_secret(settings.node.data_dir / KEY_FILE)
    return with_merged(state.ledger, identifier_digests(secret, typed))


def _certificates(settings: Settings) -> dict[str, float]:
    """Expiry of the certificates of [tls]; an unreadable one is reported by the preflight."""
    return {name: end for name in ("cert", "ca") if (end := _end_of(getattr(settings.tls, name))) is not None}


def _end_of(path: Path | None) -> float | None:
    """Earliest expiry in a PEM file, UTC seconds since 1970; None without a certificate."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes()) if path else []
    except (OSError, ValueError):
        return None
    return min((one.not_valid_after_utc.timestamp() for one in found), default=None)
