"""Builds what talks to destinations and sources: delivery, commitment, queries."""

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
    from ra_node.services.delivery.storage_commitment import Committer
    from ra_node.services.reception.completeness_query import CompletenessAsker


def build_deliverer(settings: Settings, state: State, stopping: Callable[[], bool]) -> Deliverer:
    """The sender with every destination."""
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
    )


def rebuild_of(settings: Settings, state: State) -> Rebuild:
    """Makes damaged objects again; what that needs is loaded when it is needed."""

    def rebuild(study_uid: str, version: int, uids: Collection[str]) -> Collection[str]:
        from ra_node.services.reporting.rebuild import Rebuilder

        return Rebuilder(state.ledger, state.files, build_producer(settings)).rebuild(
            study_uid, version, uids
        )

    return rebuild


def build_committer(settings: Settings, state: State) -> Committer:
    """Who asks the destinations to keep what they have, those that are to be asked."""
    from ra_node.services.delivery.storage_commitment import Committer

    return Committer(
        state.ledger,
        {peer.name: address(settings, peer) for peer in settings.destinations if peer.commitment},
        settings.limits.commitment_silence_s,
        settings.limits.delivery_days * DAY_S,
        trust=build_clock_watch(settings, state).trust,
    )


def build_prior_server(settings: Settings) -> PriorServer | None:
    """Who asks PACS for earlier reports in the place of `work`; None where none is to be asked."""
    from ra_node.network.scu.prior_socket import PriorServer

    asked = {peer.name: address(settings, peer) for peer in settings.peer if peer.prior == "query"}
    return PriorServer(presence_folder(settings), asked) if asked else None


def build_askers(settings: Settings, state: State) -> list[CompletenessAsker]:
    """One for each source that can say whether a study is whole."""
    from ra_node.services.reception.completeness_query import CompletenessAsker

    asked = [peer for peer in settings.sources if peer.complete_by == "query"]
    return [CompletenessAsker(state.ledger, address(settings, peer)) for peer in asked]
