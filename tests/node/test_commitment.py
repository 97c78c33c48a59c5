"""Storage Commitment with a real Orthanc, which reports on its own association: kept, lost, silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from ra_node.bootstrap.receiving import build_listener
from ra_node.bootstrap.sending import build_committer, build_deliverer
from ra_node.bootstrap.state import State, open_state
from ra_node.domain.job import JobKind
from ra_node.domain.result import OPTIONS, ObjectKind
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.overview import find_study
from ra_node.ledger.queue import claim
from ra_node.ledger.results import deliveries_of
from ra_node.ledger.schema import CommitmentState, DeliveryState
from ra_node.ledger.timeline import timeline
from ra_node.network.query import count_instances
from ra_node.services.answer import Destination
from ra_node.settings import Settings, settings_from
from tests.conftest import find_tool, wait_until
from tests.dicom.builders import source
from tests.ledger.builders import LEASE_S, FakeClock
from tests.node.harness import Orthanc, free_port
from tests.services.builders import Bench
from tests.services.test_answer import answer, examine

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

    def events(self) -> list[str]:
        return [event.what for event in timeline(self.state.ledger, STUDY)]


@pytest.fixture
def lines(tmp_path) -> Iterator[Callable[..., Lines]]:
    """An answered study that waits for its delivery; `reports_to` is where the PACS finds us."""
    with ExitStack() as stack:

        def start(
            reports_to: int | None = None,
            kinds: tuple[ObjectKind, ...] = (ObjectKind.SR, ObjectKind.OVERLAY),
        ) -> Lines:
            port = free_port()
            where = {"node": ("RA_NODE", "127.0.0.1", reports_to or port)}
            pacs = Orthanc(find_tool("Orthanc"), tmp_path / "orthanc", modalities=where)
            pacs.start()
            stack.callback(pacs.stop)
            peer = {"name": "pacs", "ae_title": pacs.ae_title, "port": pacs.dicom_port}
            tables = {
                "node": {"port": port, "data_dir": "state"},
                "peer": [{**peer, "roles": ["destination"], "commitment": True}],
                "limits": {"commitment_silence_s": 1.0},
            }
            settings = settings_from(tables, base=tmp_path)
            state = open_state(settings)
            listener, _ = build_listener(settings, state, "listen-test")
            listener.start()
            stack.callback(listener.stop, 0.0)
            bench = Bench(settings.node.data_dir, state.ledger, state.files, FakeClock())
            bench.keep(source())
            examine(bench)
            settle_now(state.ledger, STUDY)
            answer(bench, Destination("pacs", kinds))
            return Lines(settings, state, pacs)

        yield start


def test_orthanc_keeps_what_it_has_and_says_so(lines):
    """Delivered first, committed when its report has come on an association of its own."""
    node = lines()
    node.deliver()
    assert set(node.states().values()) == {(DeliveryState.ACCEPTED, CommitmentState.WAITING)}
    assert find_study(node.state.ledger, STUDY).deliveries[0].commitment is CommitmentState.WAITING
    node.commit()
    wait_until(node.committed, "Orthanc's report")
    events = node.events()
    assert events.index("version_delivered") < events.index("commitment_asked")
    assert events.index("commitment_asked") < events.index("object_committed")


def test_optional_objects_are_sent_and_kept_like_the_others(lines):
    """Presentation state, key object and PDF go to a real PACS beside SR and overlay."""
    node = lines(kinds=(ObjectKind.SR, ObjectKind.OVERLAY, *OPTIONS))
    node.deliver()
    held = node.pacs.instances_of(STUDY)
    assert {modality: len(instances) for modality, instances in held.items()} == dict.fromkeys(
        ("SR", "OT", "PR", "KO", "DOC"), 1
    )
    node.commit()
    wait_until(node.committed, "Orthanc's report")
    assert set(node.states()) == {"sr", "overlay", *OPTIONS}


def test_what_orthanc_has_lost_is_sent_again_and_then_kept(lines):
    node = lines()
    node.deliver()
    ((overlay,),) = [node.pacs.instances_of(STUDY)["OT"]]
    node.pacs.delete(f"/instances/{overlay['ID']}")
    node.commit()
    kept = (DeliveryState.ACCEPTED, CommitmentState.COMMITTED)
    lost = (DeliveryState.WAITING, CommitmentState.WAITING)
    wait_until(lambda: node.states() == {"sr": kept, "overlay": lost}, "Orthanc's report of a loss")
    node.deliver()
    assert len(node.pacs.instances_of(STUDY)["OT"]) == 1
    node.commit()
    wait_until(node.committed, "Orthanc's second report")
    assert node.events().count("commitment_asked") == 2


def test_an_orthanc_whose_report_never_arrives_is_asked_again(lines):
    """It knows a wrong port of ours; when that is mended, the next question is answered."""
    node = lines(reports_to=free_port())
    node.deliver()
    node.commit()
    assert set(node.states().values()) == {(DeliveryState.ACCEPTED, CommitmentState.WAITING)}
    node.pacs.stop()
    node.pacs.modalities["node"] = ("RA_NODE", "127.0.0.1", node.settings.node.port)
    node.pacs.start()
    node.commit()
    wait_until(node.committed, "Orthanc's report")
    assert node.events().count("commitment_asked") == 2


def test_orthanc_counts_the_instances_of_a_study(lines):
    """What `complete_by = "query"` asks."""
    node = lines()
    node.deliver()
    (address,) = build_deliverer(node.settings, node.state, lambda: False).peers.values()
    assert count_instances(address, STUDY).instances == 2
    assert count_instances(address, "1.2.3.4").instances == 0
