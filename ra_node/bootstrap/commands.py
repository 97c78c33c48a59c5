"""Builds the preflight, the overview and the demo for the commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ra_node.bootstrap.node_context import build_shelf, default_settings, open_state, raised_alarms
from ra_node.bootstrap.peer_checks import addresses, roundtrips
from ra_node.bootstrap.tls import listening_tls
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    from ra_node.dicom.conformance.document import Statement
    from ra_node.services.delivery.destination_status import Complaint
    from ra_node.services.demo import DemoResult
    from ra_node.services.models.status import Models
    from ra_node.services.monitoring.overview import Overview
    from ra_node.services.preflight.check import Check


def preflight(settings: Settings, *, roundtrip: bool = False) -> list[Check]:
    """Preflight of the settings; `roundtrip` stores a phantom's results at each destination."""
    from ra_node.services.models.status import checked_words, worker_checks
    from ra_node.services.preflight.checks import run_checks

    reachable = addresses(settings, settings.destinations)
    asked = [peer for peer in settings.peer if peer.is_queried]
    rows = run_checks(
        settings,
        open_state=lambda: open_state(settings),
        bundle=lambda: checked_words(build_shelf(settings, open_state(settings))),
        workers=lambda: worker_checks(models_now(settings)),
        destinations=reachable,
        queried=[where for where, _ in addresses(settings, asked)],
        standing=lambda: _complaints(settings),
        alarms=lambda: raised_alarms(settings),
        tls_contexts=lambda: listening_tls(settings),
    )
    return rows + (roundtrips(settings, [where for where, _ in reachable]) if roundtrip else [])


def statement_of(settings: Settings) -> Statement:
    """The conformance statement of a configuration."""
    from ra_node.bootstrap.listener import listen_contexts, listen_settings
    from ra_node.services.conformance.statement import RunningConfiguration, conformance_statement

    return conformance_statement(RunningConfiguration(settings, listen_settings(settings), listen_contexts()))


def look_over(settings: Settings) -> Overview:
    """Current state of the node."""
    from ra_node.ledger.storage.disk_guard import free_bytes
    from ra_node.ledger.storage.identity import Unbound
    from ra_node.services.delivery.destination_status import Disk
    from ra_node.services.monitoring.overview import no_overview, overview

    limits = settings.limits
    try:
        state = open_state(settings)
    except Unbound:
        return no_overview(models_now(settings), raised_alarms(settings))
    disk = Disk(free_bytes(settings.node.data_dir), limits.low_bytes, limits.enough_bytes)
    names = [peer.name for peer in settings.destinations]
    return overview(state.ledger, models_now(settings), names, disk)


def _complaints(settings: Settings) -> list[tuple[str, Complaint]]:
    from ra_node.services.delivery.destination_status import complaints, standings

    ledger = open_state(settings).ledger
    names, now = [peer.name for peer in settings.destinations], ledger.clock()
    return [(one.peer, said) for one in standings(ledger, names) for said in complaints(one, now)]


def models_now(settings: Settings) -> Models:
    """Bundle in use, and the bundle of each worker on every host."""
    from ra_node.services.models.status import models

    return models(
        settings.node.data_dir / "run", lambda: build_shelf(settings, open_state(settings)).in_use()
    )


def show_demo(out: Path, timeout_s: float, say: Callable[[str], None]) -> list[DemoResult]:
    """The demo with the bundle of this installation and a phantom with changes of stage 3 and 0.

    It is sent twice: as a patient of 15 years, inside the domain of the bundle, and as one of 66, outside it.
    """
    from ra_node.services.demo import DemoStudy, run_demo
    from ra_node.services.preflight.phantom_image import phantom_image

    known = phantom_image("demo")
    adult = phantom_image("demo of an adult", born_on=date(1960, 1, 1))
    studies = (
        DemoStudy("A patient of 15 years", known),
        DemoStudy("The same image of a patient of 66 years", adult, "adult"),
    )
    return run_demo(out, studies, default_settings().models.bundle, timeout_s, say)
