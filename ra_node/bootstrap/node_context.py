"""Shared context of every role: settings, ledger, files and process identity."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ra_node.bootstrap.package_data import shipped
from ra_node.bootstrap.tls import ANY_NAME, calling_tls
from ra_node.filesystem.os_errors import node_error
from ra_node.ledger.database.engine import Ledger, LedgerLost, LedgerMissing, open_ledger
from ra_node.ledger.storage.durable_files import Files
from ra_node.ledger.storage.identity import Unbound, bind, has_history, ledger_identity, tell
from ra_node.services.jobs.job_notifier import JobNotifier
from ra_node.settings.node import LEDGER_FILE, Settings, settings_from
from ra_node.settings.peer import PeerTable

if TYPE_CHECKING:
    from ra_node.dicom.provenance import Producer
    from ra_node.ledger.alarms import Alarm
    from ra_node.ledger.clock_trust import ClockWatch
    from ra_node.ledger.storage.disk_guard import DiskGuard
    from ra_node.network.scu.c_store import PeerAddress
    from ra_node.services.jobs.folder_binding import Binding
    from ra_node.services.models.registry import BundleRegistry

DAY_S = 86400.0
NOBODY = "nobody"
"""Identity expected of the folder of a ledger without identity: matches no folder, so nothing is stored."""
LEDGER_WAY_OUT = (
    "name its ledger in [ledger] url, restore a backup with `ra-node restore`,"
    " or begin a new ledger with `ra-node adopt`"
)


@dataclass(frozen=True, slots=True)
class State:
    """Ledger and files, and the reason why these two do not belong together, or ""."""

    ledger: Ledger
    files: Files
    problem: str = ""


def default_settings() -> Settings:
    """Embedded defaults, for commands that need no node; paths are those of the installation."""
    return settings_from({}, base=shipped("config"))


def open_state(settings: Settings) -> State:
    """Open the ledger and the data folder, created where neither has a history; Fatal where that fails.

    Raises Unbound where the ledger of a folder with a history is missing: no empty one is created.
    """
    try:
        return _open_state(settings)
    except OSError as error:
        raise node_error(error, "expected a data_dir that this account can read and write") from error


def make_data_dir(folder: Path) -> None:
    """Create the data folder where it is missing; Fatal where that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise node_error(error, "expected a data_dir that can be made") from error


def _open_state(settings: Settings) -> State:
    folder = settings.node.data_dir
    make_data_dir(folder)
    files = Files(folder)
    try:
        opened = open_ledger(settings.ledger_url, may_create=not has_history(files))
    except LedgerMissing as error:
        raise Unbound(f"{error}; {folder} belongs to another ledger; {LEDGER_WAY_OUT}") from error
    except LedgerLost as error:
        raise Unbound(str(error)) from error
    ledger = replace(opened, ring=JobNotifier(presence_folder(settings)).ring)
    try:
        problem = bind(ledger, files)
        tell(ledger, alarm_subject(settings), problem)
        return State(ledger, Files(folder, ledger_identity(ledger) or NOBODY), problem)
    except BaseException:
        ledger.close()
        raise


def lost_state(settings: Settings, reason: str) -> State:
    """State for the page without a ledger: each access raises LedgerLost, nothing is stored."""
    from sqlalchemy import create_engine

    def connect() -> NoReturn:
        raise LedgerLost(reason)

    ledger = Ledger(create_engine("sqlite://", creator=connect))
    return State(ledger, Files(settings.node.data_dir, NOBODY), reason)


def build_binding(settings: Settings, state: State) -> Binding:
    """Whether data folder and ledger still belong together."""
    from ra_node.services.jobs.folder_binding import Binding

    return Binding(state.ledger, state.files, alarm_subject(settings))


def raised_alarms(settings: Settings) -> list[Alarm]:
    """Every alarm of the ledger; where it is lost, that it is."""
    from ra_node.ledger.alarms import Alarm, AlarmKind, alarms

    try:
        ledger = open_state(settings).ledger
    except Unbound as error:
        return [Alarm(AlarmKind.IDENTITY, alarm_subject(settings), time.time(), str(error))]
    return alarms(ledger)


def alarm_subject(settings: Settings) -> str:
    """Subject of the alarms of this data folder, distinct for each host."""
    return f"{settings.node.machine}:{settings.node.data_dir}"


def presence_folder(settings: Settings) -> Path:
    """Folder with the lock files of the processes on this machine."""
    return settings.node.data_dir / "run" / settings.node.machine


def new_owner(role: str) -> str:
    """Unique name of one process."""
    return f"{role}-{os.getpid()}-{secrets.token_hex(4)}"


def build_guard(settings: Settings) -> DiskGuard:
    """Disk guard of the data folder."""
    from ra_node.ledger.storage.disk_guard import DiskGuard

    limits = settings.limits
    return DiskGuard(settings.node.data_dir, limits.low_bytes, limits.enough_bytes)


def build_clock_watch(settings: Settings, state: State) -> ClockWatch:
    """Clock check of this machine against the times in the ledger."""
    from ra_node.ledger.clock_trust import ClockWatch

    return ClockWatch(state.ledger, settings.node.machine)


def build_shelf(settings: Settings, state: State) -> BundleRegistry:
    """Bundles of the node; installed ones are in the data folder, which all hosts share."""
    from ra_node.inference.bundles.store import BundleStore
    from ra_node.services.models.registry import BundleRegistry

    return BundleRegistry(
        state.ledger, BundleStore(settings.node.data_dir / "bundles"), settings.models.bundle
    )


def with_bundle(settings: Settings, folder: Path) -> Settings:
    """The same settings with another model bundle."""
    return settings.model_copy(update={"models": settings.models.model_copy(update={"bundle": folder})})


def folder_in_use(settings: Settings) -> Path:
    """The bundle of the node where it has a ledger that this user may open, else the configured one."""
    file = settings.node.data_dir / LEDGER_FILE
    if not settings.ledger.url and not os.access(file, os.R_OK | os.W_OK):
        return settings.models.bundle
    state = open_state(settings)
    try:
        shelf = build_shelf(settings, state)
        return shelf.folder_of(shelf.wanted())
    finally:
        state.ledger.close()


def build_producer(settings: Settings) -> Producer:
    """Equipment identification and language of created objects.

    Raises Fatal for a language file with a fault, and where the font of a language is not installed.
    """
    from ra_node.dicom.overlay.fonts import face_of
    from ra_node.dicom.provenance import Producer
    from ra_node.dicom.uids import derive_uid
    from ra_node.domain.texts.translations import load_language

    language = load_language(settings.results.language)
    if settings.results.overlay:
        face_of(language)
    return Producer(
        device_uid=derive_uid("node", settings.node.station_name, settings.node.ae_title),
        station_name=settings.node.station_name,
        language=language,
        overlay_heat_map=settings.results.overlay_heat_map,
    )


def address(settings: Settings, peer: PeerTable) -> PeerAddress:
    """Calling settings for a peer; Fatal where a file of [tls] is unusable."""
    from ra_node.network.scu.c_store import PeerAddress

    return PeerAddress(
        peer.name,
        peer.ae_title,
        peer.host,
        peer.port,
        calling_ae=settings.node.ae_title,
        tls=calling_tls(settings, peer),
        tls_name="" if peer.tls_name == ANY_NAME else peer.tls_name,
    )
