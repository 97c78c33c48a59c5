# ruff: noqa: RUF001 - Chinese punctuation
"""The languages: each has every text, nothing else, and says what the node finds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

import ra_node
from ra_node.domain.geometry import Box
from ra_node.domain.language import BUILT_IN, english, load_language
from ra_node.domain.laterality import (
    Pairing,
    Reach,
    SideHeader,
    SideStatement,
    defined_orientation,
    places_of,
    sides_of,
)
from ra_node.domain.report import Reason, Refusal
from ra_node.domain.wording import caveat, hand_sentence, model_sentence, refusal_text, summary_sentence
from ra_node.errors import Fatal
from tests.dicom.builders import NO_HAND, both_hands, hand, image, model, refused_hand, report

ROOT = Path(ra_node.__file__).parent
FOUND_IN = (
    "domain/selection.py", "domain/choice.py", "imaging/quality.py", "imaging/hands.py",
    "imaging/polarity.py", "imaging/pixels.py", "services/analyse.py", "services/unite.py",
    "services/content.py", "services/one_patient.py",
)  # fmt: skip
"""Where the sentences of refusals and remarks are written."""

NESTED = {
    "Expected 7, found 7.": "Expected at most 50 % of the hand saturated, found 61 %.",
    "Expected an image of at least 7 pixels a side, 7.": (
        "Expected an image of at least 64 pixels a side, found 10 rows and 20 columns."
    ),
    "Expected an image of at most 7 megapixels, 7.": (
        "Expected an image of at most 120 megapixels, found 10 rows and 20 columns."
    ),
    "Expected a grown skeleton, found an age of 7: 7.": (
        "Expected a grown skeleton, found an age of 9: the networks learnt from ages 18 to 90."
    ),
    "Age 7 is outside what the networks know: 7.": (
        "Age 66 is outside what the networks know: the networks learnt from ages 8.5 to 19."
    ),
}
"""Sentences with a part that is itself a sentence, and what becomes of them."""

LATIN = re.compile(r"[A-Za-z]{2,}")
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
    texts, expected = load_language(name).texts, english().texts
    assert set(texts) == set(expected)
    for key, text in expected.items():
        wanted, found = (set(re.findall(r"\{(\w+)\}", each)) for each in (text, texts[key]))
        assert wanted == found, key


def test_every_text_is_said_somewhere():
    """A key that no code names is a leftover; keys made of parts are named by their start."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
    for key in english().texts:
        table, _, rest = key.partition(".")
        if table in {"found", "reason", "doubt", "joint"}:
            continue
        whole = f'"{key}"' in code or (table == "overlay" and f'"{rest}"' in code)
        parts = any(f'"{table}.{rest[:length]}{{' in code for length in range(len(rest) + 1))
        assert whole or parts, key


def test_every_reason_and_joint_has_its_word():
    """The tables that are named by an enumeration hold exactly its values."""
    reasons = {key.partition(".")[2] for key in english().texts if key.startswith("reason.")}
    assert reasons == {reason.value for reason in Reason}


def sentences(path: Path) -> Iterator[str]:
    """Every sentence that a module writes, "7" for each value in it, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if node in docstrings or node in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
        else:
            continue
        if re.fullmatch(r"[A-Z].* .*\.", text, re.DOTALL) and len(text) > 15:
            yield text


@pytest.mark.parametrize("module", FOUND_IN)
def test_every_sentence_that_the_node_finds_is_known(module, chinese):
    """A sentence changed or added in the code and not in the language files fails here."""
    found = list(sentences(ROOT / module))
    assert found, module
    for text in found:
        said = chinese.told(NESTED.get(text, text))
        assert said is not None, text
        assert not LATIN.search(re.sub(r"FOR \w+|\bPA\b|\bAP\b|DERIVED|SECONDARY|\b(CR|DX)\b", "", said)), (
            said
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
            for reach in Reach
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


def test_an_unknown_refusal_is_said_by_its_kind(chinese):
    """Rather than English amid Chinese, what kind of reason it is."""
    refusal = Refusal(Reason.UNREADABLE_PIXELS, "Expected a transfer syntax, found none.")
    assert refusal_text(refusal, chinese) == "像素数据无法读取。"


def test_sentences_in_chinese(chinese):
    """Read once by a person, then kept."""
    assert hand_sentence(hand(), chinese) == "右手：类风湿关节炎阳性（概率 87.0 %，判定阈值 50.0 %），3 期。"
    assert hand_sentence(refused_hand(), chinese) == "左手未分析：手部未完整显示。"
    assert summary_sentence(report(image(*both_hands())), chinese) == (
        "类风湿关节炎：所分析的 2 只手中 1 只呈阳性：右手（3 期）；阴性：左手（0 期）。"
    )
    assert summary_sentence(report(image(refusal=NO_HAND)), chinese) == "本次检查未分析任何手部：未见手部。"


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
    assert hand_sentence(hand(), own).startswith("Hand, dextra: rheumatoid arthritis present")


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
