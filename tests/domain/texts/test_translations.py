# ruff: noqa: RUF001 - Chinese punctuation
"""The languages: each has every text, nothing else, and says what the node finds."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

import ra_node
from ra_node.domain.body_part import _OTHER
from ra_node.domain.eligibility import _CLASS_NAMES, _OTHER_REGION_CODES
from ra_node.domain.geometry import Box
from ra_node.domain.laterality.evidence import (
    EvidenceReach,
    Pairing,
    SideHeader,
    SideStatement,
    defined_orientation,
    places_of,
    sides_of,
)
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.texts.defined_terms import NOT_A_TERM
from ra_node.domain.texts.model_sentences import model_sentence
from ra_node.domain.texts.report_sentences import caveat, hand_sentence, refusal_text
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import BUILT_IN, english, load_language
from ra_node.domain.view.position import View
from ra_node.errors import Fatal
from tests.dicom.builders import NO_HAND, both_hands, hand, image, model, refused_hand, report
from tests.domain.sentences import sentences, writers
from training.data.data_kind import WORDS

ROOT = Path(ra_node.__file__).parent
FOUND_IN = (
    "dicom/reading/bounded_stream.py",
    "dicom/reading/encapsulated_frames.py",
    "dicom/reading/file.py",
    "domain/patient/age.py",
    "domain/image_choice.py",
    "domain/rating.py",
    "domain/eligibility.py",
    "domain/view/refusal.py",
    "domain/texts/withdrawal.py",
    "imaging/hand_extraction.py",
    "imaging/pixel_aspect.py",
    "imaging/lookup_tables.py",
    "imaging/hand_detection.py",
    "imaging/hand_extraction.py",
    "imaging/out_of_domain.py",
    "imaging/pixel_module.py",
    "imaging/pixels.py",
    "imaging/polarity.py",
    "imaging/quality.py",
    "services/analysis/study_analysis.py",
    "services/reporting/answer.py",
    "services/jobs/damaged_content.py",
    "services/reporting/reduced_answer.py",
    "services/offline_analysis.py",
    "services/reception/patient_consistency.py",
    "services/analysis/bundle_consistency.py",
)
"""Where the sentences of refusals and remarks are written."""

LATIN = re.compile(r"[A-Za-z]{2,}")
TERMS = re.compile(
    r"FOR \w+|\bPA\b|\bAP\b|DERIVED|SECONDARY|\b(?:CR|DX|PNG|DICOM|DICM)\b|(?:Modality|VOI) LUT"
    r"|(?:Rows|Columns|Pixel Data|LUT Descriptor|LUT Data) \([0-9A-F]{4},[0-9A-F]{4}\)"
)
"""What stays in Latin letters in every language: defined terms and names of DICOM attributes."""
NAMES = ("hand recognition", "hand staging", "efficientnet_b2", "AUC", "AI", "RA")


@pytest.fixture(scope="module")
def chinese():
    return load_language("zh")


@pytest.fixture
def copy_of_english(tmp_path):
    """A language file that a site wrote, and what to change in it."""

    def made(old: str = "", new: str = "") -> str:
        text = files("ra_node.domain").joinpath("languages", "en.toml").read_text(encoding="utf-8")
        path = tmp_path / "own.toml"
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        return str(path)

    return made


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_language_has_the_same_keys_and_placeholders(name):
    """Also checked when a file is loaded; here without that code."""
    texts = load_language(name).texts
    expected = {key: text for key, text in english().texts.items() if not key.startswith("reworded.")}
    assert set(texts) - set(english().texts) == set()
    assert set(expected) <= set(texts)
    for key, text in expected.items():
        wanted, found = (set(re.findall(r"\{(\w+)\}", each)) for each in (text, texts[key]))
        assert wanted == found, key


def test_every_text_is_said_somewhere():
    """A key that no code names is a leftover; keys made of parts are named by their start."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
    for key in english().texts:
        table, _, rest = key.partition(".")
        if table in {"found", "reworded", "reason", "doubt", "joint"}:
            continue
        whole = f'"{key}"' in code or (table == "overlay" and f'"{rest}"' in code)
        parts = any(f'"{table}.{rest[:length]}{{' in code for length in range(len(rest) + 1))
        assert whole or parts, key


def test_every_reason_and_joint_has_its_word():
    """The tables that are named by an enumeration hold exactly its values."""
    reasons = {key.partition(".")[2] for key in english().texts if key.startswith("reason.")}
    assert reasons == {reason.value for reason in Reason}


def test_every_module_that_makes_refusals_and_remarks_is_read():
    """One that is not in the list could write what no other language knows."""
    assert writers() <= {*FOUND_IN, "domain/withdrawal.py"}
    for cause in ("patient safety", "quality reasons"):
        assert load_language("zh").told(f"Withdrawn on 2026-11-30 for {cause}: model error.") is not None


@pytest.mark.parametrize("module", FOUND_IN)
def test_every_sentence_that_the_node_finds_is_known(module, chinese):
    """A sentence changed or added in the code and not in the language files fails here."""
    found = list(sentences(module))
    assert found, module
    for text in found:
        said = chinese.told(text)
        assert said is not None, text
        assert not LATIN.search(TERMS.sub("", said)), said


def test_every_known_sentence_is_one_that_the_node_finds():
    """What was worded anew in the code leaves nothing behind."""
    said = [text for module in FOUND_IN for text in sentences(module)]
    for key, text in english().texts.items():
        if key.startswith("found.") and text.endswith(".") and "notice" not in key:
            pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(text))
            special = key in ("found.hands_expected_none", "found.fingers_beyond_one")
            assert special or any(re.search(pattern, each) for each in said), key


@pytest.mark.parametrize(
    "text",
    [
        *_CLASS_NAMES.values(),
        *_OTHER_REGION_CODES.values(),
        *_OTHER,
        *(view for view in View if view not in (View.FRONTAL, View.UNKNOWN)),
        NOT_A_TERM,
    ],
)
def test_every_word_inside_a_sentence_is_known(text, chinese):
    """The code looks these up in tables, so no sentence in it holds them."""
    assert chinese.told(text) is not None


@pytest.mark.parametrize(
    "text", [part for words in WORDS.values() for part in (words.notice, words.measured_on)]
)
def test_what_a_bundle_says_of_itself_is_known(text, chinese):
    """As the training of this repository writes it."""
    assert chinese.told(text) is not None


def test_a_list_inside_a_sentence_is_said_part_by_part(chinese):
    """Names of joints, of which any number may be lost."""
    text = "Expected a whole hand with its 14 joints, found an outline without MCP 2, PIP 3, WRIST 1."
    assert chinese.told(text) == (
        "手部不完整（共 14 个关节），未见：第 2 掌指关节、第 3 近端指间关节、腕关节桡侧。"
    )


A, B = Box(0, 0, 10, 20), Box(30, 0, 40, 20)


@pytest.mark.parametrize(
    ("boxes", "header", "convention"),
    [
        ((A,), SideHeader("R", "R"), "none"),
        ((A,), SideHeader("R", "L"), "none"),
        ((A,), SideHeader("B"), "none"),
        ((A,), SideHeader(laterality="L"), "none"),
        ((A,), SideHeader(), "none"),
        ((A, B), SideHeader("R"), "none"),
        ((A, B), SideHeader(), "none"),
        ((A, B), SideHeader(patient_orientation=("L", "F")), "none"),
        ((A, B), SideHeader(), "right-hand-on-image-left"),
        ((A, B), SideHeader(patient_orientation=("R", "F")), "right-hand-on-image-right"),
        ((A, B), SideHeader(patient_orientation=("L", "F")), "right-hand-on-image-right"),
        ((A, A, B), SideHeader(), "none"),
        ((A,), SideHeader("R\\L", "B"), "none"),
        ((A,), SideHeader("L", "B"), "none"),
        ((A,), SideHeader("R", "B"), "none"),
        ((A,), SideHeader("?", "?"), "none"),
        ((A,), SideHeader(statements=(SideStatement("ProtocolName", "B"),)), "none"),
        *(
            (
                (A,),
                SideHeader(statements=tuple(SideStatement(name, side, reach) for name in names)),
                "none",
            )
            for names in (("SeriesDescription",), ("SeriesDescription", "ProtocolName"))
            for side in ("R", "L")
            for reach in EvidenceReach
        ),
        ((A, B), SideHeader("L", statements=(SideStatement("ProtocolName", "L"),)), "none"),
        *(
            ((A, B), SideHeader(patient_orientation=defined_orientation(values)), convention)
            for values in (("X", "Y"), ("L", "R"), ("L",), ("NAME", "F"), ("A", "F"))
            for convention in ("none", "right-hand-on-image-left")
        ),
    ],
)
@pytest.mark.parametrize("pairing", Pairing)
def test_the_evidence_of_every_side_is_known(boxes, header, convention, pairing, chinese):
    """Only the DICOM keywords and their values stay as they are."""
    found = sides_of(boxes, header, convention, pairing)
    texts = [each.evidence for each in found] + list(places_of(boxes))
    for text in filter(None, texts):
        said = chinese.told(text)
        assert said is not None, text
        assert not LATIN.search(
            re.sub("ImageLaterality|Laterality|PatientOrientation|SeriesDescription|ProtocolName", "", said)
        ), said


def test_english_is_said_as_it_was_found():
    """The record is English: no pattern may change a word of it."""
    assert english().told("Whatever a room may say.") == "Whatever a room may say."


def test_english_refusals_are_worded_for_their_reader():
    """What a module records with expected and found, a radiologist reads as a person says it."""
    reworded = {key.removeprefix("reworded.") for key in english().texts if key.startswith("reworded.")}
    for key in reworded:
        kept = set(re.findall(r"\{(\w+)\}", english().texts[f"reworded.{key}"]))
        assert kept <= set(re.findall(r"\{(\w+)\}", english().texts[f"found.{key}"])), key
    for text, said in {
        "Expected one or two hands in the image, found none.": (
            "No hand recognised (cast, lateral view or another body part?)."
        ),
        "Expected all fingers inside the image, found 17 % of the hand's width at its edge.": (
            "Fingers cut off at the image edge."
        ),
        "Expected at most 5 % of the hand saturated, found 40 %.": (
            "Overexposed: 40 % of the hand is pure white."
        ),
        "Expected a hand from back or front (PA or AP), found the oblique view, as the description says.": (
            "Oblique view (description). Only PA and AP are rated."
        ),
        "Another part of the body: expected a hand, the image header says CHEST.": (
            "Not a hand (header: CHEST)."
        ),
        "Age 66 is outside the model's domain: the networks were trained on ages 8.5 to 19.": (
            "Patient is 66; the model was trained on ages 8.5 to 19."
        ),
    }.items():
        assert english().told(text) == said


@pytest.mark.parametrize("module", FOUND_IN)
def test_no_refusal_that_a_person_reads_says_expected_and_found(module):
    """Of images and hands; what files and objects lack stays technical, for the administrator."""
    technical = (
        "pixel", "fragment", "frame", "transfer syntax", "photometric", "bits", "PNG", "palette", "DICOM",
        "LUT", "bytes", "element", "(00", "attribute", "kept file", "number", "library", "file", "patient",
        "Pixel",
        "inflated", "grey levels",
    )  # fmt: skip
    for text in sentences(module):
        said = english().told(text) or text
        assert not said.startswith("Expected") or any(word in said for word in technical), said


def test_an_unknown_refusal_is_said_by_its_kind(chinese):
    """Rather than English amid Chinese, what kind of reason it is."""
    refusal = Refusal(Reason.UNREADABLE_PIXELS, "Expected a moon, found none.")
    assert refusal_text(refusal, chinese) == "像素数据无法读取。"


def test_sentences_in_chinese(chinese):
    """Read once by a person, then kept."""
    assert hand_sentence(hand(), chinese) == "右手：疑似类风湿关节炎，概率 87 %（阈值 50 %），3 期。"
    assert hand_sentence(refused_hand(), chinese) == "左手未评级：手部未完整显示。"
    assert summary_sentence(report(image(*both_hands())), chinese) == (
        "类风湿关节炎：所评级的 2 只手中 1 只疑似：右手（3 期）；未见：左手（0 期）。"
    )
    assert summary_sentence(report(image(refusal=NO_HAND)), chinese) == "无 AI 结果：未见手部。"


def test_no_english_is_left_in_chinese_sentences(chinese):
    """But for the names of models and what every radiologist writes in Latin letters."""
    shown = report(image(*both_hands(), hand(which=None, conflict=True), refused_hand()))
    said = [
        summary_sentence(shown, chinese),
        model_sentence(model("recognition"), chinese),
        *(hand_sentence(each, chinese) for each in shown.hands),
    ]
    for text in said:
        assert not LATIN.search(re.sub("|".join(NAMES), "", text)), text


def test_a_notice_in_other_words_is_kept_whole(chinese):
    """What a site or a bundle wrote itself is shown as it was written, never dropped."""
    shown = report(image(hand()), research_label="Study 17")
    assert "Study 17。" in caveat(shown, chinese)
    assert caveat(shown, chinese).startswith("AI 结果，未经医师核实。")


def test_a_language_may_come_from_a_file(copy_of_english):
    """A site's own words need no new release of the node."""
    own = load_language(copy_of_english('right = "Right hand"', 'right = "Hand, dextra"'))
    assert hand_sentence(hand(), own).startswith("Hand, dextra: RA suspected")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('banner = "AI result - not verified"\n', "", "lacks overlay.banner"),
        ('banner = "', 'banned = "x"\nbanner = "', "has overlay.banned"),
        ("{hand} (stage {stage})", "{hand} (stage)", "summary.hand_stage"),
        ("{hand} (stage {stage})", "{hand} (stage {stages})", "summary.hand_stage"),
        ("{hand} (stage {stage})", "{hand} (stage {stage}) {", "summary.hand_stage"),
        ('left = "Left hand"', "left = 7", "hand.left"),
        ("[hand]", "[hand", "no TOML"),
        ('package = ""', "", "[type]"),
        ("[type]", 'loose = "x"\n[type]', "loose"),
    ],
)
def test_a_faulty_language_file_is_refused_by_the_key(copy_of_english, old, new, words):
    """At the start, not on the first study that needs the text."""
    with pytest.raises(Fatal, match=re.escape(words)):
        load_language(copy_of_english(old, new))


def test_a_language_that_is_not_there_is_refused(tmp_path):
    """With what was expected and found."""
    with pytest.raises(Fatal, match='expected a language \\("en", "zh"\\) or a language file, found'):
        load_language(str(tmp_path / "de.toml"))
