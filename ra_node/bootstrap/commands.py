"""Builds the preflight, the overview and the demo for the commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ra_node.bootstrap.node_context import (
    build_shelf,
    default_settings,
    open_state,
    presence_folder,
    raised_alarms,
)
from ra_node.bootstrap.peer_checks import addresses, roundtrips
from ra_node.bootstrap.tls import listening_tls
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    from ra_node.dicom.conformance.document import Statement
    from ra_node.services.delivery.destination_status import Complaint
    from ra_node.services.demo import DemoResult
    from ra_node.services.models.status import Models
    from ra_node.services.monitoring.health import Sign
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
        retrieved=[where for where, table in addresses(settings, asked) if table.prior == "query"],
        running=lambda: running_roles(settings),
        device=lambda: device_words(settings.models.device),
        standing=lambda: _complaints(settings),
        alarms=lambda: raised_alarms(settings),
        tls_contexts=lambda: listening_tls(settings),
        machine=lambda: machine_checks(settings),
    )
    return rows + (roundtrips(settings, [where for where, _ in reachable]) if roundtrip else [])


def machine_checks(settings: Settings) -> list[Check]:
    """Variant, driver, container and memory, as they concern this configuration."""
    from ra_node.bootstrap.analysis import worker_count
    from ra_node.services.preflight.machine import (
        check_driver,
        check_installation,
        check_memory,
        check_volume,
        container_name,
        cuda_of_pytorch,
    )

    cuda, container = cuda_of_pytorch(), container_name()
    return [
        check_installation(cuda, container),
        check_driver(cuda, wants_gpu=settings.models.device.startswith("cuda")),
        check_volume(settings.node.data_dir, container),
        check_memory(worker_count(), running="work" in running_roles(settings)),
    ]


def running_roles(settings: Settings) -> list[str]:
    """The roles that run on this machine, each once."""
    from ra_node.services.jobs.liveness import alive, role_of

    folder = presence_folder(settings)
    return sorted({role_of(owner) for owner in alive(folder.parent) if (folder / f"{owner}.lock").exists()})


def device_words(device: str) -> str:
    """The device that a worker would use; Fatal for a GPU that is not there.

    PyTorch, which takes seconds to import, is asked only where there is an NVIDIA driver.
    """
    from ra_node.bootstrap.analysis import worker_count
    from ra_node.errors import Fatal

    wants_gpu, has_driver = device.startswith("cuda"), Path("/proc/driver/nvidia").exists()
    if not has_driver and wants_gpu:
        raise Fatal(f'device = "{device}", but this machine has no NVIDIA driver')
    if device == "cpu" or not has_driver:
        return f"CPU, {worker_count()} worker processes"
    from ra_node.inference.gpu import device_names

    names = device_names()
    number = int(device.partition(":")[2] or 0)
    if wants_gpu and number >= len(names):
        raise Fatal(f'device = "{device}", but PyTorch finds {len(names)} GPUs')
    return names[number] if names else f"CPU (PyTorch finds no GPU), {worker_count()} worker processes"


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
    roles = role_counts(settings)
    try:
        state = open_state(settings)
    except Unbound:
        return replace(no_overview(models_now(settings), raised_alarms(settings)), roles=roles)
    disk = Disk(free_bytes(settings.node.data_dir), limits.low_bytes, limits.enough_bytes)
    names = [peer.name for peer in settings.destinations]
    return replace(overview(state.ledger, models_now(settings), names, disk), roles=roles)


def role_counts(settings: Settings) -> dict[str, int]:
    """Number of running processes of each role on every host; 0 for a needed role that does not run."""
    from ra_node.bootstrap.web import needed_roles
    from ra_node.services.jobs.liveness import alive, role_of

    found = Counter(role_of(owner) for owner in alive(settings.node.data_dir / "run"))
    return {role: found[role] for role in dict.fromkeys((*needed_roles(settings), *sorted(found)))}


def readiness(settings: Settings) -> list[Sign]:
    """The conditions of /readyz, without the page."""
    from ra_node.bootstrap.web import build_health

    return build_health(settings, open_state(settings)).ready()


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
