"""What the report says of each hand: in code, number and sentence, and nothing that was not found."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from ra_node.dicom.concept_codes import joint_site
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import HandFinding, HandRegion, HandVerdict
from ra_node.domain.salient_joints import standing_out
from ra_node.domain.texts.joint_sentences import joint_name, joint_share_words
from ra_node.domain.texts.percents import coded_percents
from ra_node.domain.texts.report_sentences import hand_name, hand_sentence, refusal_text
from tests.dicom.builders import COLUMNS, PRODUCER, ROWS, explained, hand, image, image_uid, report, source
from tests.dicom.cases import CASES, age_unknown, explained_hands, not_rated, one_refused
from tests.dicom.sr_cases import every_case, made
from tests.dicom.tree import codes_of, comments, concept, groups, items, points

SITE, LATERALITY, RA, STAGE, FINDING, PROBABILITY, REGION = (
    "363698007", "272741003", "69896004", "258214002", "121071", "122157", "111030",
)  # fmt: skip


@every_case
def test_every_region_is_closed_and_inside_its_image(name):
    """No validator compares the coordinates with the size of the image."""
    document = made(CASES[name]())
    for region in items(document, REGION):
        found = points(region)
        assert region.GraphicType == "POLYLINE"
        assert found[0] == found[-1]
        assert len(found) >= 4
        assert all(0 <= x <= COLUMNS and 0 <= y <= ROWS for x, y in found)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 450, width=32), st.floats(-50, 350, width=32)), max_size=30),
)
def test_any_outline_becomes_a_closed_region_inside_the_image(outline):
    """Outlines that leave the image, repeat their first point or are no polygon included."""
    finder = HandRegion(Box(-5, -5, 500, 500), tuple(Point(x, y) for x, y in outline), 0, 0.5)
    document = build_sr(report(image(hand(where=finder))), {image_uid(1): source()}, PRODUCER)
    found = points(next(items(document, REGION)))
    assert found[0] == found[-1]
    assert len(found) >= 4
    assert all(0 <= x < COLUMNS and 0 <= y < ROWS for x, y in found)


@every_case
def test_every_group_has_a_region_and_both_tracking_identifiers(name):
    """A group without region opens as a black image; one without Tracking UID passes every validator."""
    document = made(CASES[name]())
    for group in groups(document):
        assert len(list(items(group, REGION))) == 1
        assert len(list(items(group, "112039"))) == 1
        assert len(list(items(group, "112040"))) == 1
    uids = [item.UID for item in items(document, "112040")]
    assert len(uids) == len(set(uids))


def hand_groups(document: Dataset) -> list[Dataset]:
    """The groups whose site is a hand; joints have groups of their own."""
    hands = {"78791008", "85151006", "85562004"}
    return [group for group in groups(document) if hands & set(codes_of(group, SITE))]


@every_case
def test_every_judged_hand_is_said_in_code_number_and_sentence(name):
    """One group a hand, in order, and each says the result of its own hand."""
    case = CASES[name]()
    document = made(case)
    rated = [hand_ for hand_ in case.report.hands if hand_.recognition is not None]
    found = hand_groups(document)
    assert len(found) == len(rated)
    for group, hand_ in zip(found, rated, strict=True):
        assert hand_sentence(hand_) in comments(group)
        assert_result(group, hand_)
    said = " ".join(comments(document))
    assert all(hand_sentence(hand_) in said for hand_ in case.report.hands)
    for group in groups(document):
        if not codes_of(group, SITE):
            assert_no_result(group)


def assert_result(group: Dataset, hand_: HandFinding) -> None:
    assert hand_.recognition is not None
    assert hand_.staging is not None
    if hand_.verdict is HandVerdict.INCONCLUSIVE:
        assert codes_of(group, RA) == ["419984006"]
        assert not any(list(items(group, name)) for name in (FINDING, STAGE, PROBABILITY))
        return
    positive = hand_.recognition.positive
    assert codes_of(group, RA) == ["52101004" if positive else "272519000"]
    assert codes_of(group, FINDING) == (["69896004"] if positive else [])
    stages = ["261613009", "258215001", "258219007", "258224005", "258228008", "261617005"]
    assert codes_of(group, STAGE) == [stages[hand_.staging.stage]]
    numbers = [item for item in items(group) if item.ValueType == "NUM"]
    assert [str(item.MeasuredValueSequence[0].NumericValue) for item in numbers] == [
        str(coded_percents(hand_.recognition.probability, hand_.recognition.threshold)[0])
    ]


def assert_no_result(group: Dataset) -> None:
    for name in (RA, FINDING, STAGE, PROBABILITY):
        assert not list(items(group, name))


def test_a_hand_that_is_not_rated_has_its_reason_and_the_research_output_as_a_comment_alone():
    """Neither code nor number: whoever reads tables finds no result; the comment says that it is none."""
    document = made(not_rated())
    assert [codes_of(group, SITE) for group in groups(document)] == [["85151006"]]
    [said] = [text for text in comments(document) if text.startswith("Right hand not rated: ")]
    assert said.startswith("Right hand not rated: Patient is 66; the model was trained on ages 8.5 to 19.")
    assert "Research output of a hand that is not rated, not a result: probability of RA > 99 %" in said


def test_without_the_site_s_wish_no_output_of_a_hand_that_is_not_rated_is_in_the_report():
    hand_ = replace(not_rated().report.hands[0], research_output=None)
    document = build_sr(report(image(hand_)), {image_uid(1): source()}, PRODUCER)
    assert "%" not in " ".join(comments(document))


def test_an_unknown_age_is_said_before_the_result():
    group = next(group for group in groups(made(age_unknown())) if list(items(group, SITE)))
    assert comments(group)[0].startswith("Age unknown; the model was trained on ages 8.5 to 19. Right")


@every_case
def test_the_side_is_in_the_site_and_in_its_modifier_or_nowhere(name):
    """Viewers show only the site; a side that is not known is not invented."""
    case = CASES[name]()
    found = hand_groups(made(case))
    expected = {
        Side.RIGHT: (["78791008"], ["24028007"]),
        Side.LEFT: (["85151006"], ["7771000"]),
        None: (["85562004"], []),
    }
    rated = [hand_ for hand_ in case.report.hands if hand_.recognition is not None]
    for group, hand_ in zip(found, rated, strict=True):
        [site] = [item for item in group.ContentSequence if concept(item) == SITE]
        told = ([site.ConceptCodeSequence[0].CodeValue], codes_of(site, LATERALITY))
        assert told == expected[hand_.side.side]
        assert set(codes_of(group, LATERALITY)) == set(told[1])


@every_case
def test_joints_are_sites_of_an_explanation_and_of_no_finding(name):
    """What moved a network is told joint by joint, and that it diagnoses no joint; nothing else names one."""
    case = CASES[name]()
    judged = hand_groups(made(case))
    rated = [hand_ for hand_ in case.report.hands if hand_.recognition is not None]
    for group, hand_ in zip(judged, rated, strict=True):
        told = list(items(group, "130401"))
        if hand_.explanation is None:
            assert told == []
            continue
        named = standing_out(hand_.explanation)
        assert len(told) == max(1, len(named))
        assert {item.ConceptCodeSequence[0].CodeValue for item in told} == {"130403"}
        assert [comments(item) for item in told if "ContentSequence" in item] == [
            [f"{joint_share_words(joint)} of the heat map"] for joint in named
        ]
        assert [code for item in told for code in codes_of(item, SITE)] == [
            joint_site(joint.name).value for joint in named
        ]
        [sentence] = [text for text in comments(group) if "model attention" in text]
        assert "not a diagnosis" in sentence
        assert all(joint_name(joint.name) in sentence for joint in named)


def test_a_doubtful_result_says_what_the_doubt_is():
    right, left = groups(made(explained_hands()))
    assert "Check before use: probability near the threshold." in comments(right)
    assert not [text for text in comments(left) if text.startswith("Check before use")]


def test_a_hand_whose_joints_were_not_located_says_so():
    """A bundle without networks for finding hands names no joints; that is no statement about them."""
    unlocated = replace(explained(hand()), region=hand().region)
    document = build_sr(report(image(unlocated)), {image_uid(1): source()}, PRODUCER)
    assert any("joints of this hand were not located" in text for text in comments(document))


@every_case
def test_every_refusal_is_told_in_plain_words(name):
    """Not analysed is an answer too: the reason of every hand, image and study is in the report."""
    case = CASES[name]()
    told = "\n".join(comments(made(case)))
    refusals = [case.report.refusal, *(image.refusal for image in case.report.images)]
    refusals += [hand_.refusal for hand_ in case.report.hands]
    assert all(refusal_text(refusal) in told for refusal in refusals if refusal is not None)


def test_the_summary_with_its_caveat_stands_before_every_group_and_once():
    """A plain renderer has it on the first screen; it was at its end, the caveat in every group."""
    document = made(one_refused())
    names = [concept(item) for item in document.ContentSequence]
    assert names.index("121111") < names.index("111028") < names.index("126010")
    said = " ".join(comments(document)).lower()
    for words in ("not a medical device", "simulated lesions", "for research use only", "not verified"):
        assert said.count(words) == 1
    [summary] = [item.TextValue for item in items(document, "121111")]
    assert summary.startswith("RA suspected in the one hand rated: right hand (stage 3); 1 hand not rated.")


def test_a_hand_without_a_result_is_not_outlined():
    """Viewers draw every region: an outlined hand looks rated. Its image has one group, the whole image."""
    document = made(CASES["both_refused"]())
    [group] = groups(document)
    [region] = items(group, REGION)
    xs, ys = zip(*points(region), strict=True)
    assert (min(xs), min(ys)) == (0, 0)
    assert (max(xs), max(ys)) == (399.5, 299.5)
    [name] = items(group, "112039")
    assert name.TextValue == "Not rated, image 1"
    assert len(groups(made(one_refused()))) == 1


@every_case
def test_a_tracking_identifier_says_hand_and_verdict(name):
    """Viewers list it as the name of a measurement."""
    case = CASES[name]()
    rated = [hand_ for hand_ in case.report.hands if hand_.recognition is not None]
    for group, hand_ in zip(hand_groups(made(case)), rated, strict=True):
        [tracking] = items(group, "112039")
        assert tracking.TextValue.startswith(f"{hand_name(hand_)}: RA ")


@every_case
def test_the_series_description_is_the_answer(name):
    """What a worklist shows before anything is opened, in 64 characters."""
    said = made(CASES[name]()).SeriesDescription
    assert len(said) <= 64
    rated = [hand_ for hand_ in CASES[name]().report.hands if hand_.recognition is not None]
    assert said.startswith("RA AI unverified: " if rated else "RA AI: no result")


def test_the_series_description_puts_first_what_differs():
    assert made(CASES["two_hands"]()).SeriesDescription == "RA AI unverified: R suspected st 3, L not seen"
    assert made(CASES["no_hands"]()).SeriesDescription == "RA AI: no result, no hand"
    assert made(CASES["disagreement"]()).SeriesDescription == "RA AI unverified: R inconclusive"


def test_a_device_uid_is_said_once_in_the_tree():
    """Beside the model that it names; it stood in the parameters of every figure."""
    document = made(CASES["two_hands"]())
    said = " ".join(comments(document))
    for model in CASES["two_hands"]().report.bundle.models:
        assert said.count(f"Device UID {model.device_uid}") == 1
    assert not [item for item in items(document, "111002") if "UID" in item.TextValue]
