"""Builds the SCUs: delivery, storage commitment, queries."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from ra_node.bootstrap.node_context import (
    DAY_S,
    State,
    address,
    build_clock_watch,
    build_producer,
    presence_folder,
)
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    from ra_node.network.scu.prior_socket import PriorServer
    from ra_node.services.delivery.deliver import Deliverer, Rebuild
    from ra_node.services.delivery.patient_check import PatientCheck
    from ra_node.services.delivery.storage_commitment import Committer
    from ra_node.services.reception.completeness_query import CompletenessAsker


HOUR_S = 3600.0


def build_deliverer(settings: Settings, state: State, stopping: Callable[[], bool]) -> Deliverer:
    """Delivery to every destination."""
    from ra_node.services.delivery.deliver import Deliverer

    return Deliverer(
        state.ledger,
        state.files,
        {peer.name: address(settings, peer) for peer in settings.destinations},
        settings.limits.delivery_days * DAY_S,
        committing=[peer.name for peer in settings.destinations if peer.commitment],
        stopping=stopping,
        rebuild=rebuild_of(settings, state),
        trust=build_clock_watch(settings, state).trust,
        patients=_patient_check(settings, state),
    )


def _patient_check(settings: Settings, state: State) -> PatientCheck | None:
    """Asks destinations with `ask_patient_after_h`; None without one."""
    from ra_node.ledger.patient_key import KEY_FILE, open_secret
    from ra_node.services.delivery.patient_check import PatientCheck

    after_s = {
        peer.name: peer.ask_patient_after_h * HOUR_S
        for peer in settings.destinations
        if peer.ask_patient_after_h is not None
    }
    if not after_s:
        return None
    return PatientCheck(state.ledger, state.files, after_s, open_secret(settings.node.data_dir / KEY_FILE))


def rebuild_of(settings: Settings, state: State) -> Rebuild:
    """Rebuilds damaged objects; imports its dependencies on first use."""

    def rebuild(study_uid: str, version: int, uids: Collection[str]) -> Collection[str]:
        from ra_node.services.reporting.rebuild import Rebuilder

        return Rebuilder(state.ledger, state.files, build_producer(settings)).rebuild(
            study_uid, version, uids
        )

    return rebuild


def build_committer(settings: Settings, state: State) -> Committer:
    """Storage commitment SCU for the destinations with `commitment = true`."""
    from ra_node.services.delivery.storage_commitment import Committer

    return Committer(
        state.ledger,
        {peer.name: address(settings, peer) for peer in settings.destinations if peer.commitment},
        settings.limits.commitment_silence_s,
        settings.limits.delivery_days * DAY_S,
        trust=build_clock_watch(settings, state).trust,
    )


def build_prior_server(settings: Settings) -> PriorServer | None:
    """Queries PACS for earlier reports on behalf of `work`; None where no peer has `prior = "query"`."""
    from ra_node.network.scu.prior_socket import PriorServer

    asked = {peer.name: address(settings, peer) for peer in settings.peer if peer.prior == "query"}
    return PriorServer(presence_folder(settings), asked) if asked else None


def build_askers(settings: Settings, state: State) -> list[CompletenessAsker]:
    """One completeness query per source with `complete_by = "query"`."""
    from ra_node.services.reception.completeness_query import CompletenessAsker

    asked = [peer for peer in settings.sources if peer.complete_by == "query"]
    return [CompletenessAsker(state.ledger, address(settings, peer)) for peer in asked]
