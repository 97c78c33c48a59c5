"""Every rendering shares these sentences, so they must be complete by themselves."""

from __future__ import annotations

from dataclasses import replace

from ra_node.domain.bundle_identity import Model
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.texts.joint_sentences import attention_sentence
from ra_node.domain.texts.model_sentences import heat_map_sentence, model_sentence
from ra_node.domain.texts.report_sentences import caveat, distribution_sentence, doubt_sentence, side_sentence
from tests.dicom.builders import BUNDLE, explained, hand, image, refused_hand, report, staging

MODEL = Model("staging", "vgg16", "demo", "1", "ab", "2.25.1", "ra-node")


def test_the_caveat_says_unverified_label_and_notice():
    assert caveat(report(image(hand()))) == (
        "AI result, not verified by a physician. For research use only."
        " Learnt from simulated lesions; not a medical device."
    )


def test_a_report_without_result_is_not_called_a_result():
    """ "No AI result: ... AI result, not verified by a physician" contradicted itself."""
    none = caveat(report(image(refused_hand())))
    assert none.startswith("Made automatically, not verified by a physician. ")
    assert "AI result" not in none


def test_the_caveat_denies_a_medical_device_even_without_any_notice():
    bare = report(image(hand()), bundle=replace(BUNDLE, notice=""), research_label="")
    assert caveat(bare) == "AI result, not verified by a physician. Not a medical device."


def test_the_side_is_said_with_its_evidence():
    assert side_sentence(hand()) == (
        "Side (image left): right; evidence: PatientOrientation L\\F; side from header, marker not read."
    )
    assert side_sentence(hand(which=None, place="")) == (
        "Side: undetermined; evidence: no header attribute names a side."
    )


def test_a_conflict_of_evidence_is_said_first():
    said = side_sentence(hand(which=Side.LEFT, conflict=True))
    assert said.startswith("Side (image left): left; evidence conflicts, please check; evidence: ")


def test_the_distribution_names_every_stage():
    assert distribution_sentence(staging(2)) == (
        "Stage probabilities: stage 0 6 %, stage 1 6 %, stage 2 70 %, stage 3 6 %, stage 4 6 %, stage 5 6 %."
    )


def test_a_model_is_said_with_its_accuracy_or_with_its_lack():
    assert model_sentence(MODEL) == "Staging by demo 1 (vgg16); accuracy not stated."
    assert model_sentence(replace(MODEL, auc=(0.9, 0.8512, 0.95))) == (
        "Staging by demo 1 (vgg16); AUC on held-out hands 0.900 (95 % interval 0.851 to 0.950)."
    )


def test_the_accuracy_of_stages_and_the_calibration_are_said_with_their_intervals():
    """The AUC alone, 0.925, hid that the exact stage is right in 65 %."""
    said = model_sentence(
        replace(
            MODEL,
            auc=(0.925, 0.915, 0.935),
            exact_stage=(0.653, 0.62, 0.684),
            within_one_stage=(0.975, 0.964, 0.986),
            calibration_error=(0.094, 0.071, 0.124),
        )
    )
    assert said.endswith(
        "; stage exact in 65 % (62 to 68), within one stage in 98 % (96 to 99);"
        " probabilities off by 9 % on average (7 to 12)."
    )


def test_what_moved_the_network_is_said_joint_by_joint_and_that_it_is_no_diagnosis():
    """The network that says disease is named: staging, or recognition where staging says none."""
    said = attention_sentence(explained(hand(), mcp_2=0.412, wrist_3=0.2))
    assert said == (
        "Staging heat map, share of all heat: MCP 2 41 %, wrist, ulnar 20 %."
        " It shows model attention (gradient-weighted class activation),"
        " not a diagnosis of these joints."
    )
    assert attention_sentence(explained(hand(0.9, 0), ip_1=0.3)).startswith(
        "Recognition heat map, share of all heat: IP 1 30 %."
    )


def test_no_joint_is_named_where_none_stands_out_or_none_was_located():
    assert "no joint stands out" in attention_sentence(explained(hand(), mcp_2=0.09))
    unlocated = replace(explained(hand()), region=hand().region)
    assert "were not located" in attention_sentence(unlocated)
    assert attention_sentence(hand()) == ""


def test_how_far_heat_maps_may_be_trusted_is_said_where_there_is_one():
    shown = report(image(explained(hand(), mcp_2=0.4)))
    assert heat_map_sentence(shown) == (
        "Heat maps were checked on held-out hands with a simulated lesion at one joint:"
        " most heat lay at that joint in 53 of 58 hands with a map."
    )
    assert heat_map_sentence(report(image(hand()))) == ""
    assert heat_map_sentence(replace(shown, bundle=replace(BUNDLE, heat_map=None))) == ""


def test_doubts_that_no_other_sentence_tells_are_said():
    assert doubt_sentence(hand(0.53)) == "Check before use: probability near the threshold."
    assert doubt_sentence(hand(0.9)) == ""
    assert doubt_sentence(hand(which=None, conflict=True)) == ""
