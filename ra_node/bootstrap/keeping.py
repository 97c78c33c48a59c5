"""Builds what happens by the clock or by hand: tidying and purging."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ra_node.bootstrap.state import DAY_S, State, alarm_subject, open_state, presence_folder
from ra_node.errors import Fatal
from ra_node.settings import Settings

if TYPE_CHECKING:
    from ra_node.services.audit import AuditSender
    from ra_node.services.purge import Purged
    from ra_node.services.tidy import Tidier


def build_tidier(settings: Settings, state: State) -> Tidier:
    """What must happen by the clock."""
    from ra_node.services.orphans import FILES_OF_A_JOB, CrashBound
    from ra_node.services.tidy import Tidier

    made = FILES_OF_A_JOB * max(os.cpu_count() or 1, settings.models.images)
    study, retention = settings.study, settings.retention
    return Tidier(
        state.ledger,
        state.files,
        presence_folder(settings),
        study.quiet_s,
        study.max_wait_s,
        keep_s=retention.keep_days * DAY_S if retention.purge else None,
        bound=CrashBound(settings.limits.associations, made),
        subject=alarm_subject(settings),
        not_committing=[peer.name for peer in settings.destinations if not peer.commitment],
    )


def build_audit(settings: Settings, state: State) -> AuditSender | None:
    """What tells the trail to the site's log server; None where it has none."""
    from ra_node.bootstrap.securing import tls_files
    from ra_node.network.syslog import LogServer, Syslog
    from ra_node.network.tls import calling
    from ra_node.services.audit import AuditSender, Us

    if not settings.audit.syslog:
        return None
    server, files = LogServer.at(settings.audit.syslog), tls_files(settings)
    if server.way == "tls" and files is None:
        raise Fatal("audit.syslog over TLS needs cert, key and ca in [tls]")
    tls = calling(files) if files is not None and server.way == "tls" else None
    us = Us(settings.node.ae_title, settings.node.machine)
    return AuditSender(state.ledger, us, Syslog(server, tls))


def purge_now(settings: Settings, *, dry_run: bool) -> Purged:
    """Remove, or only count, the files that nobody needs any more."""
    from ra_node.services.purge import purge

    state = open_state(settings)
    return purge(state.ledger, state.files, settings.retention.keep_days * DAY_S, dry_run=dry_run)
