"""The role `schedule`: does what must happen by the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ra_node.bootstrap.delivery import build_askers, build_prior_server
from ra_node.bootstrap.maintenance import build_audit, build_hl7, build_scrubber, build_tidier
from ra_node.bootstrap.node_context import build_binding, new_owner, open_state, presence_folder
from ra_node.ledger.database.engine import SETTLING
from ra_node.runtime.roles.job_loop import poll_s
from ra_node.runtime.roles.role_process import begin, check_until_stopped, heartbeat_of, serve_all
from ra_node.runtime.scheduler import ScheduledTask, run_repeatedly, run_tasks
from ra_node.runtime.systemd import Heartbeat
from ra_node.services.jobs.job_notifier import listening
from ra_node.services.jobs.liveness import present
from ra_node.services.jobs.machine_faults import watched
from ra_node.services.monitoring.role_watch import RoleWatch
from ra_node.services.withdrawal.begin import WithdrawalStarter
from ra_node.settings.node import Settings


def schedule(settings: Settings) -> None:
    """Run `schedule` until stopped."""
    stop = begin("schedule", settings)
    state = open_state(settings)
    tidier = build_tidier(settings, state)
    askers = build_askers(settings, state)
    watch = RoleWatch(state.ledger, settings.node.data_dir / "run")
    tasks = [
        ScheduledTask("watch_clock", tidier.watch_clock, 5.0, at_once=True),
        ScheduledTask("mend_times", tidier.mend_times, 10.0, at_once=True),
        ScheduledTask("take_back", tidier.take_back, 1.0),
        ScheduledTask("watch_roles", watch.look, 5.0),
        ScheduledTask("sweep", tidier.sweep, 3600.0),
        ScheduledTask("purge", tidier.purge, 3600.0, at_once=True),
        ScheduledTask("watch", tidier.watch, 10.0, at_once=True),
        ScheduledTask("withdraw", WithdrawalStarter(state.ledger).step, 1.0),
    ]
    scrub_bytes = round(settings.limits.scrub_mib_per_minute * 2**20)
    if scrub_bytes:
        scrubber, bound = build_scrubber(settings, state), build_binding(settings, state).holds
        tasks.append(ScheduledTask("scrub", lambda: scrubber.step(scrub_bytes) if bound() else None, 60.0))
    heartbeat = heartbeat_of(settings, "schedule")
    looks = {"settle": tidier.settle} | {f"ask {asker.source.name}": asker.look for asker in askers}
    loops: dict[str, Callable[[], None]] = {
        name: partial(_look, settings, name, watched(state.ledger, name, look), stop, heartbeat)
        for name, look in looks.items()
    }
    prior_server = build_prior_server(settings)
    if prior_server is not None:
        loops["earlier reports"] = partial(prior_server.serve, stop)
    hl7 = build_hl7(settings, state)
    if hl7 is not None:
        loops["hl7"] = partial(hl7.serve, stop)
    auditor = build_audit(settings, state)
    if auditor is not None:
        tasks.append(ScheduledTask("audit", auditor.send_new, 1.0))
    tasks = [replace(task, run=watched(state.ledger, task.name, task.run)) for task in tasks]
    with present(presence_folder(settings), new_owner("schedule")):
        loops |= {
            "tasks": partial(run_tasks, tasks, stop, heartbeat.beat),
            "ledger": partial(check_until_stopped, state.ledger.expect_file, stop),
        }
        serve_all(loops, stop, heartbeat.beat)
    if auditor is not None:
        auditor.close()


def _look(
    settings: Settings, name: str, look: Callable[[], float], stop: threading.Event, heartbeat: Heartbeat
) -> None:
    """Settle studies whenever an association ends, at the next due time, and periodically."""
    with listening(presence_folder(settings), new_owner("schedule"), [SETTLING], stop) as ear:
        run_repeatedly(name, look, ear.wait, poll_s(settings), stop, heartbeat.beat)
