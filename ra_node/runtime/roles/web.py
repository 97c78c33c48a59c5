"""The role `web`: shows the operator page and the metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ra_node.bootstrap.node_context import new_owner, presence_folder
from ra_node.bootstrap.web import build_desk, build_server, expect_free_port, state_for_page
from ra_node.errors import Fatal, Retryable
from ra_node.runtime.roles.role_process import (
    LEDGER_PAUSE_S,
    begin,
    check_until_stopped,
    heartbeat_of,
    serve_all,
)
from ra_node.services.jobs.liveness import present
from ra_node.settings.node import Settings

if TYPE_CHECKING:
    import uvicorn


POLL_S = 0.1


def web(settings: Settings) -> None:
    """Run `web` until stopped: the operator page and the metrics."""
    stop = begin("web", settings)
    state, changed = state_for_page(settings)
    desk = build_desk(settings, state)
    expect_free_port(settings)
    heartbeat = heartbeat_of(settings, "web")
    server = build_server(settings, desk, lambda: heartbeat.beat("page"))
    loops = {
        "page": partial(_show, server, stop),
        "past": partial(_catch_up, desk.follower.catch_up, stop),
        "ledger": partial(check_until_stopped, changed, stop),
    }
    with present(presence_folder(settings), new_owner("web")):
        serve_all(loops, stop, lambda: heartbeat.beat() if server.started else None)


def _show(server: uvicorn.Server, stop: threading.Event) -> None:
    """Run the server in a thread of its own; if the server ends, the role ends."""
    ended = threading.Event()

    def run() -> None:
        try:
            server.run()
        except SystemExit:
            pass
        finally:
            ended.set()

    serving = threading.Thread(target=run, name="server")
    serving.start()
    while not stop.wait(POLL_S) and not ended.is_set():
        pass
    server.should_exit = True
    serving.join()
    if not stop.is_set():
        raise Fatal("the operator page could not be shown; is its port taken? See [web] host and port")


def _catch_up(read_past: Callable[[], None], stop: threading.Event) -> None:
    """Read the event history once; wait while the ledger is unreachable."""
    done = False
    while not done and not stop.is_set():
        try:
            read_past()
            done = True
        except Retryable as error:
            structlog.get_logger().warning("ledger_access_failed", error=str(error))
            stop.wait(LEDGER_PAUSE_S)
