"""The role `listen`: receives images and storage commitments; never imports torch."""

from __future__ import annotations

from ra_node.bootstrap.listener import build_listener
from ra_node.bootstrap.node_context import build_binding, new_owner, open_state, presence_folder
from ra_node.errors import NotReady
from ra_node.ledger.storage.identity import Unbound
from ra_node.runtime.roles.role_process import LEDGER_PAUSE_S, begin, heartbeat_of, try_each
from ra_node.services.jobs.liveness import present
from ra_node.settings.node import Settings


def listen(settings: Settings) -> None:
    """Run `listen` until stopped; open associations get some seconds to finish."""
    stop = begin("listen", settings)
    owner, state = new_owner("listen"), open_state(settings)
    if state.problem:
        raise Unbound(state.problem)
    binding = build_binding(settings, state)
    binding.expect_sound()
    listener, inbox = build_listener(settings, state, owner)
    with present(presence_folder(settings), owner):
        listener.start()
        heartbeat = heartbeat_of(settings, "listen")
        heartbeat.beat()
        try:
            while not stop.wait(LEDGER_PAUSE_S):
                try_each(binding.look, inbox.mend)
                if not listener.accepting:
                    raise NotReady(
                        "expected a port that is listened on, found that nothing accepts connections"
                    )
                heartbeat.beat()
        finally:
            listener.stop(deadline_s=5.0)
            try_each(inbox.mend)
        try_each(binding.look)
