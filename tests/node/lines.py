"""The sending side of a node, as its roles build it, with one answered study and a real Orthanc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ra_node.bootstrap.delivery import build_committer, build_deliverer
from ra_node.bootstrap.listener import build_listener
from ra_node.bootstrap.node_context import State, open_state
from ra_node.domain.job import JobKind
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.queue import claim
from ra_node.services.reporting.answer import Destination
from ra_node.settings.node import Settings, settings_from
from tests.conftest import find_tool, wait_until
from tests.dicom.builders import source
from tests.ledger.builders import LEASE_S, FakeClock
from tests.node.harness import Orthanc
from tests.ports import free_port
from tests.services.builders import Bench
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)


@dataclass
class Lines:
    """The node's own listener, deliverer and committer, as the roles build them, and the PACS."""

    settings: Settings
    state: State
    pacs: Orthanc

    def deliver(self) -> None:
        deliverer = build_deliverer(self.settings, self.state, lambda: False)
        deliverer.deliver(self._claim(JobKind.DELIVER))

    def commit(self) -> None:
        build_committer(self.settings, self.state).commit(self._claim(JobKind.COMMIT))

    def _claim(self, kind: JobKind):
        def claimed():
            return claim(self.state.ledger, [kind], "d", 8, LEASE_S, peer="pacs")

        return wait_until(claimed, f"a {kind} job", 300)

    def states(self) -> dict[str, tuple[DeliveryState, CommitmentState]]:
        found = deliveries_of(self.state.ledger, STUDY)
        return {item.object.kind: (item.state, item.commitment) for item in found}

    def committed(self) -> bool:
        return set(self.states().values()) == {(DeliveryState.ACCEPTED, CommitmentState.COMMITTED)}

    def asked(self) -> int:
        """How often the PACS was asked to commit itself."""
        return self.events().count("commitment_asked")

    def events(self) -> list[str]:
        return [event.what for event in timeline(self.state.ledger, STUDY)]


@contextmanager
def answered_study(
    folder: Path,
    reports_to: int | None = None,
    kinds: tuple[ObjectKind, ...] = (ObjectKind.SR, ObjectKind.OVERLAY),
) -> Iterator[Lines]:
    """Have an answered study wait for its delivery; `reports_to` is where the PACS finds us."""
    port = free_port()
    where = {"node": ("RA_NODE", "127.0.0.1", reports_to or port)}
    pacs = Orthanc(find_tool("Orthanc"), folder / "orthanc", modalities=where)
    with ExitStack() as stack:
        pacs.start()
        stack.callback(pacs.stop)
        peer = {"name": "pacs", "ae_title": pacs.ae_title, "port": pacs.dicom_port}
        tables = {
            "node": {"port": port, "data_dir": "state"},
            "peer": [{**peer, "roles": ["destination"], "commitment": True}],
            "limits": {"commitment_silence_s": 1.0},
        }
        settings = settings_from(tables, base=folder)
        state = open_state(settings)
        stack.callback(state.ledger.close)
        listener, _ = build_listener(settings, state, "listen-test")
        listener.start()
        stack.callback(listener.stop, 0.0)
        bench = Bench(settings.node.data_dir, state.ledger, state.files, FakeClock())
        bench.keep(source())
        examine(bench)
        settle_now(state.ledger, STUDY)
        answer(bench, Destination("pacs", kinds))
        yield Lines(settings, state, pacs)
