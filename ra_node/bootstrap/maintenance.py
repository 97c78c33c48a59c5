"""Builds maintenance, scrub, purge and adoption."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ra_node.bootstrap.node_context import (
    DAY_S,
    State,
    alarm_subject,
    build_clock_watch,
    make_data_dir,
    open_state,
    presence_folder,
)
from ra_node.errors import Fatal, Retryable
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ra_node.ledger.database.engine import Ledger
    from ra_node.network.hl7.mllp_server import MllpServer
    from ra_node.services.monitoring.audit_forwarder import AuditSender
    from ra_node.services.monitoring.operator_actions import Operator
    from ra_node.services.monitoring.scrub import Scrubber
    from ra_node.services.retention.adopt import BindingPreview
    from ra_node.services.retention.maintenance import Maintenance
    from ra_node.services.retention.purge import Purged


@dataclass(frozen=True, slots=True)
class Adopted:
    """Number of images moved to `unlisted`, and number taken in from there."""

    moved: int
    unlisted: Path
    taken: int


def build_tidier(settings: Settings, state: State) -> Maintenance:
    """Periodic maintenance."""
    from ra_node.ledger.jobs.leases import LeaseWatch
    from ra_node.services.retention.maintenance import Maintenance
    from ra_node.services.retention.orphans import FILES_OF_A_JOB, CrashBound

    made = FILES_OF_A_JOB * max(os.cpu_count() or 1, settings.models.images)
    study, retention = settings.study, settings.retention
    return Maintenance(
        state.ledger,
        state.files,
        presence_folder(settings),
        study.quiet_s,
        study.max_wait_s,
        keep_s=retention.keep_days * DAY_S if retention.purge else None,
        bound=CrashBound(settings.limits.associations, made),
        subject=alarm_subject(settings),
        not_committing=[peer.name for peer in settings.destinations if not peer.commitment],
        leases=LeaseWatch(settings.limits.job_lease_s),
        clock_watch=build_clock_watch(settings, state),
    )


def build_scrubber(settings: Settings, state: State, *, mend: bool = False) -> Scrubber:
    """Compares kept files with their SHA-256; with `mend` it rebuilds damaged results."""
    from ra_node.bootstrap.delivery import rebuild_of
    from ra_node.services.monitoring.scrub import Scrubber

    if mend:
        return Scrubber(state.ledger, state.files, rebuild_of(settings, state))
    return Scrubber(state.ledger, state.files)


def build_hl7(settings: Settings, state: State) -> MllpServer | None:
    """The listener of ADT messages; None without [hl7] listen. Fatal where its port is taken."""
    from ra_node.bootstrap.tls import listening_tls
    from ra_node.ledger.patient_key import KEY_FILE, open_secret
    from ra_node.network.hl7.mllp_server import MllpServer
    from ra_node.services.patients.adt import AdtReceiver

    address = settings.hl7.address
    if address is None:
        return None
    receiver = AdtReceiver(state.ledger, open_secret(settings.node.data_dir / KEY_FILE))
    try:
        return MllpServer(*address, receiver.take, listening_tls(settings) if settings.hl7.tls else None)
    except (OSError, OverflowError) as error:
        raise Fatal(f"hl7.listen: expected an address that is free, found {error}") from error


def build_audit(settings: Settings, state: State) -> AuditSender | None:
    """Forwards the event log to the site's syslog server; None where none is configured."""
    from ra_node.bootstrap.tls import tls_files
    from ra_node.network.syslog import LogServer, Syslog
    from ra_node.network.tls import calling
    from ra_node.services.monitoring.audit_forwarder import AuditSender, AuditSource

    if not settings.audit.syslog:
        return None
    server, files = LogServer.at(settings.audit.syslog), tls_files(settings)
    if server.way == "tls" and files is None:
        raise Fatal("audit.syslog over TLS needs cert, key and ca in [tls]")
    tls = calling(files) if files is not None and server.way == "tls" else None
    us = AuditSource(settings.node.ae_title, settings.node.machine)
    return AuditSender(state.ledger, us, Syslog(server, tls))


def purge_now(settings: Settings, *, dry_run: bool) -> Purged:
    """Remove, or only count, the files of finished studies; Retryable while the clock is not trusted."""
    from ra_node.services.retention.purge import purge

    state = open_state(settings)
    trust = build_clock_watch(settings, state).trust()
    if trust.reason:
        raise Retryable(f"nothing is purged: {trust.reason}; if it is right now: ra-node clock --accept")
    keep_s = trust.patience_s(settings.retention.keep_days * DAY_S, state.ledger.clock())
    return purge(state.ledger, state.files, keep_s, dry_run=dry_run)


def survey_of(settings: Settings) -> BindingPreview:
    """Preview of `adopt_folder`; Refused while the node runs. Creates no ledger."""
    from ra_node.ledger.database.engine import LedgerMissing, open_ledger
    from ra_node.ledger.storage.durable_files import Files
    from ra_node.services.retention.adopt import survey

    files = Files(settings.node.data_dir)
    try:
        ledger: Ledger | None = open_ledger(settings.ledger_url, may_create=False)
    except LedgerMissing:
        ledger = None
    try:
        return survey(files, ledger)
    finally:
        if ledger is not None:
            ledger.close()


def adopt_folder(
    settings: Settings, by: Operator, say: Callable[[str], None], *, ingest: bool = False
) -> Adopted:
    """Bind the data folder and the ledger of these settings to each other; creates a lost ledger."""
    from ra_node.ledger.backup import file_of, set_aside
    from ra_node.ledger.database.engine import open_ledger
    from ra_node.ledger.database.sqlite_file import absent
    from ra_node.ledger.storage.durable_files import UNLISTED, Files
    from ra_node.services.monitoring.operator_actions import acted
    from ra_node.services.retention.adopt import bind_anew, ingest_unlisted

    make_data_dir(settings.node.data_dir)
    if settings.ledger_url.startswith("sqlite") and absent(file_of(settings.ledger_url)):
        set_aside(file_of(settings.ledger_url))  # a journal that has outlived its ledger
    ledger = open_ledger(settings.ledger_url)
    try:
        moved = bind_anew(ledger, Files(settings.node.data_dir))
    finally:
        ledger.close()
    state = open_state(settings)
    try:
        taken = ingest_unlisted(state.ledger, state.files, say) if ingest else 0
        acted(state.ledger, by, "data_folder_adopted", images_set_aside=moved, images_taken_in=taken)
    finally:
        state.ledger.close()
    return Adopted(moved, settings.node.data_dir / UNLISTED, taken)
