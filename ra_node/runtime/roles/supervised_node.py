"""The command `ra-node run`: every role as a child process of one supervisor."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import structlog

from ra_node.bootstrap.node_context import open_state
from ra_node.ledger.alarms import AlarmKind, raise_alarm
from ra_node.ledger.storage.identity import Unbound
from ra_node.runtime.log import configure_logging, set_level
from ra_node.runtime.output import original, take_over_stdout
from ra_node.runtime.roles.role_process import SUPERVISED
from ra_node.runtime.supervisor import Supervisor, program
from ra_node.runtime.watchdog import Watchdog
from ra_node.settings.node import Settings

ROLES = ("listen", "work", "deliver", "schedule")


def supervise(settings: Settings, config: Path) -> None:
    """Run every role as a child process until SIGTERM or SIGINT."""
    configure_logging("run")
    set_level(settings.log.level)
    take_over_stdout()
    try:
        open_state(settings).ledger.close()  # the tables exist before the roles start
    except Unbound as error:  # the page shows it, and `listen` refuses until it is fixed
        structlog.get_logger().error("ledger_lost", error=str(error))
    os.environ[SUPERVISED] = str(os.getpid())
    roles = (*ROLES, "web") if settings.web.enabled else ROLES
    argv = (sys.executable, "-m", "ra_node")
    with closing(Watchdog(roles, settings.limits.stall_s)) as watchdog:
        starts = {
            role: program([*argv, role, "--config", str(config)], original(), watchdog.environment(role))
            for role in roles
        }
        supervisor = Supervisor(starts, fault=watchdog.fault, alarm=partial(_alarm, settings))
        supervisor.stop_on_signals()
        supervisor.run()


def _alarm(settings: Settings, role: str, found: str) -> None:
    """Keep the alarm of a role in a thread of its own: the ledger may be locked or unreachable."""

    def keep() -> None:
        with suppress(Exception):
            ledger = open_state(settings).ledger
            try:
                raise_alarm(ledger, AlarmKind.ROLE, role, found)
            finally:
                ledger.close()

    with suppress(RuntimeError):  # no thread can be started; already logged
        threading.Thread(target=keep, daemon=True).start()
