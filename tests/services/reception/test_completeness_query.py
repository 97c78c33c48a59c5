"""A source that says "that is all" settles a study at once; silence, errors and less settle nothing."""

from __future__ import annotations

import pytest

from ra_node.ledger.database.events import timeline
from ra_node.ledger.inbox import settle_due
from ra_node.ledger.overview import find_study
from ra_node.network.scu.association import PeerAddress, Reach
from ra_node.network.scu.c_find import InstanceCount
from ra_node.services.reception.completeness_query import CompletenessAsker
from tests.dicom.builders import source
from tests.ledger.builders import answered_study, keep

STUDY = "1.2.3"
PACS = PeerAddress("pacs", "PACS", "127.0.0.1", 104, calling_ae="RA_NODE")


class Source:
    """A PACS that has so many instances, or gives no count."""

    def __init__(self, instances: int | None, reach: Reach = Reach.ACCEPTED) -> None:
        self.instances, self.reach = instances, reach
        self.asked = 0

    def __call__(self, peer: PeerAddress, study_uid: str) -> InstanceCount:
        assert (peer, study_uid) == (PACS, STUDY)
        self.asked += 1
        return InstanceCount(self.reach, self.instances, "as told")


def look(bench, pacs: Source, asker: CompletenessAsker | None = None, seconds: float = 0.5):
    asker = asker or CompletenessAsker(bench.ledger, PACS, pacs, bench.clock)
    bench.clock.advance(seconds)
    asker.look()
    return asker


def version(bench) -> int:
    return find_study(bench.ledger, STUDY).version


def test_a_study_settles_at_once_when_all_of_it_is_here(bench):
    """Though its association is still open and nobody has been quiet for long."""
    ingest = bench.ingest()
    ingest.opened("a", "PACS", "127.0.0.1")
    keep(bench.ledger, "1.2.3.1", STUDY, association_id=ingest._rows["a"])
    keep(bench.ledger, "1.2.3.2", STUDY, association_id=ingest._rows["a"])
    look(bench, Source(2))
    assert version(bench) == 1
    (event,) = [event for event in timeline(bench.ledger, STUDY) if event.what == "study_settled"]
    assert event.detail["why"] == "pacs has no more"


@pytest.mark.parametrize("instances", [3, 0, None])
def test_less_than_all_and_no_answer_wait_for_the_quiet(bench, instances):
    keep(bench.ledger, "1.2.3.1", STUDY)
    keep(bench.ledger, "1.2.3.2", STUDY)
    look(bench, Source(instances))
    assert version(bench) == 0
    bench.clock.advance(5)
    assert settle_due(bench.ledger, 5.0, 300.0) == [(STUDY, 1)]


def test_a_source_is_asked_once_a_while_and_anew_when_an_image_came(bench):
    """The pause doubles: a hospital's PACS has other work."""
    pacs = Source(9)
    keep(bench.ledger, "1.2.3.1", STUDY)
    asker = look(bench, pacs, seconds=0.1)
    assert pacs.asked == 0, "the next image may be on its way"
    for _ in range(100):
        look(bench, pacs, asker, seconds=0.1)
    assert pacs.asked == 5
    keep(bench.ledger, "1.2.3.2", STUDY)
    look(bench, pacs, asker)
    assert pacs.asked == 6


def test_a_source_that_is_down_is_left_alone_for_a_while(bench):
    pacs = Source(None, Reach.UNREACHABLE)
    for number in range(3):
        keep(bench.ledger, f"1.2.3.{number}", STUDY)
    asker = look(bench, pacs)
    for _ in range(8):
        look(bench, pacs, asker, seconds=1)
    assert pacs.asked == 1


def test_what_another_source_sent_is_not_asked_of_this_one(bench):
    pacs = Source(1)
    keep(bench.ledger, "1.2.3.1", STUDY, calling_ae="MODALITY")
    look(bench, pacs)
    assert (pacs.asked, version(bench)) == (0, 0)


def test_a_late_image_after_a_count_that_came_too_early_makes_a_revision(bench):
    """A PACS that forwards while it still receives can say "all here" too early: never a loss."""
    keep(bench.ledger, "1.2.3.1", STUDY)
    look(bench, Source(1))
    assert version(bench) == 1
    keep(bench.ledger, "1.2.3.2", STUDY)
    look(bench, Source(2))
    assert version(bench) == 2


def test_our_own_results_count_as_what_the_source_has(bench):
    """They are in its count when a late image comes, and it may or may not route them back to us."""
    from ra_node.domain.job import JobKind
    from ra_node.ledger.database.schema import DeliveryState
    from ra_node.ledger.deliveries import DeliveryOutcome, record_delivery
    from tests.ledger.builders import claim_one

    answered_study(bench.ledger, STUDY, ("pacs",))
    job = claim_one(bench.ledger, JobKind.DELIVER)
    outcomes = [DeliveryOutcome(f"{STUDY}.9.1.{n}", DeliveryState.ACCEPTED, 0) for n in (1, 2)]
    record_delivery(bench.ledger, job, outcomes, retry_at=0, give_up_after_s=None)
    keep(bench.ledger, f"{STUDY}.9.1.2", STUDY, counts=False)
    keep(bench.ledger, "1.2.3.2", STUDY)
    look(bench, Source(5))
    assert version(bench) == 1
    look(bench, Source(4))
    assert version(bench) == 2


def test_nothing_is_asked_about_a_study_that_waits_for_nothing(bench):
    bench.keep(source(Manufacturer="ra-node"))
    pacs = Source(1)
    look(bench, pacs)
    assert pacs.asked == 0
