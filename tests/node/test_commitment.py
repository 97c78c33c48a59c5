"""Storage Commitment with a real Orthanc, which reports on its own association: kept, lost, silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ra_node.bootstrap.delivery import build_deliverer
from ra_node.domain.result_objects import OPTIONS, ObjectKind
from ra_node.ledger.database.schema import CommitmentState
from ra_node.ledger.overview import find_study
from ra_node.network.scu.c_find import count_instances
from tests.conftest import wait_until
from tests.node.lines import STUDY, Lines, answered_study
from tests.ports import free_port
from tests.torture import storage_commitment


@pytest.fixture
def lines(tmp_path) -> Iterator[Callable[..., Lines]]:
    """Start a node with an answered study that waits for its delivery, and its PACS."""
    with ExitStack() as stack:
        yield lambda **asked: stack.enter_context(answered_study(tmp_path, **asked))


def test_orthanc_keeps_what_it_has_and_says_so(lines):
    """Delivered first, committed when its report has come on an association of its own."""
    node = lines()
    storage_commitment.all_kept(node)
    assert find_study(node.state.ledger, STUDY).deliveries[0].commitment is CommitmentState.COMMITTED
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
    storage_commitment.one_lost(node)
    assert len(node.pacs.instances_of(STUDY)["OT"]) == 1
    assert node.asked() == 2


def test_an_orthanc_whose_report_never_arrives_is_asked_again(lines):
    node = lines(reports_to=free_port())
    storage_commitment.silent(node)
    assert node.asked() == 2


def test_orthanc_counts_the_instances_of_a_study(lines):
    """What `complete_by = "query"` asks."""
    node = lines()
    node.deliver()
    (address,) = build_deliverer(node.settings, node.state, lambda: False).peers.values()
    assert count_instances(address, STUDY).instances == 2
    assert count_instances(address, "1.2.3.4").instances == 0
