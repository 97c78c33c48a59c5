"""Builds the listener with its inbox."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from ra_node.bootstrap.node_context import State, build_guard, presence_folder
from ra_node.bootstrap.tls import ANY_NAME, listening_tls
from ra_node.settings.node import Settings
from ra_node.settings.peer import PeerTable

if TYPE_CHECKING:
    from pynetdicom.presentation import PresentationContext

    from ra_node.network.scp.association_policy import AllowedPeer
    from ra_node.network.scp.server import Listener, ListenSettings
    from ra_node.services.reception.ingest import Ingest


def build_listener(settings: Settings, state: State, owner: str) -> tuple[Listener, Ingest]:
    """The listener, not yet started, and its inbox; `owner` names the process."""
    from ra_node.ledger.inbox import close_all_associations
    from ra_node.ledger.patient_key import KEY_FILE, open_secret
    from ra_node.network.scp.server import Listener
    from ra_node.network.scu.storage_commitment import commitment_handlers
    from ra_node.services.delivery.storage_commitment import CommitmentReportReceiver
    from ra_node.services.jobs.liveness import gone
    from ra_node.services.reception.ingest import Ingest
    from ra_node.services.reception.rejection_log import Refusals

    for dead in gone(presence_folder(settings)):
        close_all_associations(state.ledger, dead)
    secret = open_secret(settings.node.data_dir / KEY_FILE)
    inbox = Ingest(state.ledger, state.files, listener=owner, secret=secret)
    listener = Listener(
        listen_settings(settings),
        inbox,
        contexts=listen_contexts(),
        extra_handlers=commitment_handlers(CommitmentReportReceiver(state.ledger, _reporters(settings)).hear),
        has_room=build_guard(settings).has_room,
        tls=listening_tls(settings),
        refused=Refusals(state.ledger).note,
    )
    _keep_what_is_loaded()
    return listener, inbox


def _keep_what_is_loaded() -> None:
    """Exclude the loaded modules from garbage collection.

    pynetdicom runs a full collection every few seconds: with the modules it would stop every association for
    0.1 s.
    """
    gc.collect()
    gc.freeze()


def listen_settings(settings: Settings) -> ListenSettings:
    """Listener settings."""
    from ra_node.network.scp.server import ListenSettings

    return ListenSettings(
        ae_title=settings.node.ae_title,
        incoming=settings.node.data_dir / "incoming" / f"{settings.node.machine}-{settings.node.port}",
        host=settings.node.host,
        port=settings.node.port,
        peers=_callers(settings),
        accept_unknown=settings.limits.accept_unknown_peers,
        max_associations=settings.limits.associations,
        most_object_bytes=round(settings.limits.object_mib * 2**20),
        network_timeout_s=settings.limits.association_idle_s,
    )


def listen_contexts() -> list[PresentationContext]:
    """Presentation contexts of the listener: storage, and storage commitment reports."""
    from ra_node.network.presentation_contexts import accepted_contexts
    from ra_node.network.scu.storage_commitment import commitment_context

    return [*accepted_contexts(), commitment_context()]


def _reporters(settings: Settings) -> dict[str, frozenset[str]]:
    """Peers for which each AE title may report storage commitment (`commitment_ae_titles`)."""
    spoken_for: dict[str, set[str]] = {}
    for peer in settings.destinations:
        for ae_title in peer.commitment_ae_titles:
            spoken_for.setdefault(ae_title.strip(), set()).add(peer.ae_title)
    return {ae_title: frozenset(peers) for ae_title, peers in spoken_for.items()}


def _callers(settings: Settings) -> tuple[AllowedPeer, ...]:
    """Sources may store; other peers may call by C-ECHO, and those with storage commitment to report."""
    from ra_node.network.scp.association_policy import AllowedPeer

    def allowed(peer: PeerTable, ae_title: str, *, may_store: bool = True) -> AllowedPeer:
        name = "" if peer.tls_name == ANY_NAME else peer.tls_name
        return AllowedPeer(ae_title, peer.host, may_store, peer.tls, name)

    return tuple(
        allowed(peer, ae_title, may_store="source" in peer.roles and ae_title == peer.ae_title)
        for peer in settings.peer
        for ae_title in (peer.ae_title, *peer.commitment_ae_titles)
    )
