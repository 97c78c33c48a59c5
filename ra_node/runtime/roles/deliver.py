"""The role `deliver`: sends results and requests storage commitment."""

from __future__ import annotations

from functools import partial

from ra_node.bootstrap.delivery import build_committer, build_deliverer
from ra_node.bootstrap.node_context import build_binding, open_state
from ra_node.domain.job import JobKind
from ra_node.runtime.roles.job_loop import serve_jobs
from ra_node.runtime.roles.role_process import begin, heartbeat_of, serve_all
from ra_node.settings.node import Settings

AT_ONCE = 16
"""Most studies that are sent to a destination in one association."""


def deliver(settings: Settings) -> None:
    """Run `deliver` until stopped; a thread for each destination, so that none waits for another."""
    stop = begin("deliver", settings)
    state = open_state(settings)
    deliverer = build_deliverer(settings, state, stop.is_set)
    committer = build_committer(settings, state)
    heartbeat = heartbeat_of(settings, "deliver")
    bound = build_binding(settings, state).holds
    serve = partial(serve_jobs, settings, state.ledger, "deliver", heartbeat=heartbeat, ready=bound)
    deliver = partial(serve, (JobKind.DELIVER,), AT_ONCE, deliverer.deliver, stop)
    commit = partial(serve, (JobKind.COMMIT,), AT_ONCE, committer.commit, stop)
    loops = {f"deliver to {name}": partial(deliver, name) for name in deliverer.peers}
    loops |= {f"commitment of {name}": partial(commit, name) for name in committer.peers}
    serve_all(loops, stop, heartbeat.beat)
