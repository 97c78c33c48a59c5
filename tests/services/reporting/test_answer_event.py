"""The summary in the event of a report is what the report says."""

from ra_node.services.reporting.answer_event import read_summary, summary_detail
from tests.dicom import builders as dicom


def test_a_gist_says_stages_probabilities_and_reasons_of_the_report():
    report = dicom.report(dicom.image(*dicom.both_hands()))
    said = read_summary(summary_detail(report))
    judged = [hand for hand in report.hands if hand.refusal is None]
    assert said.known
    assert said.stages == tuple(hand.staging.stage for hand in judged)
    assert said.probabilities == tuple(round(hand.recognition.probability, 4) for hand in judged)
    assert said.positive == sum(hand.recognition.positive for hand in judged)
    assert said.bundle == report.bundle.sha256[:12]
    assert said.refusal == ""


def test_an_answer_of_an_older_node_is_known_to_say_nothing():
    assert not read_summary({"version": 1, "sr_uid": "1.2"}).known
