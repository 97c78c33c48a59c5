# ruff: noqa: RUF001 - Chinese punctuation
"""The overlay in each language: whole, in its own words, and drawn with signs that its font has."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from fontTools.ttLib import TTCollection
from pydicom import dcmread, dcmwrite

from ra_node import __version__
from ra_node.dicom.overlay.elements import ElementGroup, Outline, Photo, Words
from ra_node.dicom.overlay.fonts import OWN, Face, face_of, has_glyph
from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.overlay.secondary_capture import build_overlay, render_overlay
from ra_node.dicom.overlay.typesetting import Pen, pen_of
from ra_node.domain.texts.translations import Fonts, Language, english, load_language
from ra_node.domain.texts.wording import percent_words
from ra_node.errors import Fatal
from tests.dicom.builders import PRODUCER, hand, image, report, source
from tests.dicom.overlay_cases import ENGLISH, REPORTS, displays

GOLDENS = Path(__file__).parent / "goldens"
SHOWN = {
    "explained": "explained",
    "one of two refused": "one_of_two_refused",
    "sides undetermined": "sides_undetermined",
    "no picture": "no_picture",
    "followed up": "followed_up",
}
LATIN = re.compile(r"[A-Za-z]{2,}")
NAMES = re.compile(
    r"ra-node|SHA-256|UTC|AUC|\bSR\b|\bAI\b|\bRA\b|MCP|PIP|efficientnet_b2|PatientOrientation|ImageLaterality"
    r"|[0-9a-f]{12}|demo|hand (?:recognition|staging)|no header attribute names a side"
)
"""What stays in Latin letters in every language: names, DICOM keywords, abbreviations of the field. The last
one is the evidence of the test's own cases."""

NOTICE = "Trained on simulated lesions. Research use only, not a medical device."

WRITTEN_BY_OTHERS = {"poor", "refused at length", "with remarks", "much to say"}
"""Cases whose texts come from a site or another maker and are shown as they were written."""


@pytest.fixture(scope="session")
def pen() -> Pen:
    """The pen of Chinese, or a skip with its reason; where peers are required, fonts are too."""
    try:
        return pen_of(load_language("zh"))
    except Fatal as error:
        if os.environ.get("RA_NODE_REQUIRE_PEERS") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


def structure(layout: ElementGroup, *, places: bool) -> str:
    """A layout as text: every word, and with `places` where it lies and how large, and every line."""
    rows = []
    for part in layout.parts:
        if isinstance(part, Words):
            box, bold = part.box, "b" if part.bold else " "
            at = f"{box.x0:5}{box.y0:6}{part.size_px:4}{bold} " if places else ""
            rows.append(at + part.text.replace(f"ra-node {__version__}", "ra-node VERSION"))
        elif isinstance(part, Photo) and places:
            rows.append(
                f"{part.box.x0:5}{part.box.y0:6}      photo {part.box.width_px} x {part.box.height_px}"
            )
        elif isinstance(part, Outline) and places:
            x, y = (min(getattr(point, axis) for point in part.points) for axis in "xy")
            kind = f"{'dashed' if part.dashed else 'solid'} {part.line_px} px {part.role}"
            rows.append(f"{x:5.0f}{y:6.0f}      {kind}")
    return "\n".join(rows) + "\n"


def compared_with_golden(name: str, found: str) -> None:
    golden = GOLDENS / f"overlay_{name}.txt"
    if os.environ.get("RA_NODE_UPDATE_GOLDENS") == "1":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", SHOWN)
def test_words_and_places_are_the_golden_ones(case):
    """Set RA_NODE_UPDATE_GOLDENS=1 to write the goldens anew, then read the difference."""
    layout = lay_out(REPORTS[case], displays(REPORTS[case]), ENGLISH)
    compared_with_golden(SHOWN[case], structure(layout, places=True))


@pytest.mark.parametrize("case", SHOWN)
def test_chinese_words_are_the_golden_ones(case, pen):
    """Without places: they follow from the font, which each machine has in its own version."""
    layout = lay_out(REPORTS[case], displays(REPORTS[case]), pen)
    joined = structure(layout, places=False)
    compared_with_golden(f"{SHOWN[case]}_zh", joined)


@pytest.mark.parametrize("case", sorted(set(REPORTS) - WRITTEN_BY_OTHERS))
def test_no_english_is_left_on_a_chinese_overlay(case, pen):
    """Every sentence that the node itself can say is said in Chinese."""
    bundle = replace(REPORTS[case].bundle, notice=NOTICE)
    shown = replace(REPORTS[case], research_label="Research use only", bundle=bundle)
    text = " ".join(words.text for words in lay_out(shown, displays(shown), pen).words)
    left = NAMES.sub("", text)
    assert not LATIN.search(left), left


@pytest.fixture(scope="module")
def known(pen) -> dict[int, str]:
    """The character table of the font, which takes 0.2 s to read."""
    path, number = pen.face.regular
    return TTCollection(path).fonts[number].getBestCmap()


@pytest.mark.parametrize("case", REPORTS)
def test_every_sign_of_a_chinese_overlay_is_in_its_font(case, pen, known):
    """No empty box: asked of the font's own table, not of the code that chooses the signs."""
    text = {
        sign for words in lay_out(REPORTS[case], displays(REPORTS[case]), pen).words for sign in words.text
    }
    assert {sign for sign in text if ord(sign) not in known} == set()


def test_every_text_of_the_chinese_table_can_be_drawn(pen):
    """Also the sentences that no case here says."""
    signs = set("".join(pen.language.texts.values()))
    assert {sign for sign in signs if not has_glyph(pen.face, sign)} == set()
    assert not has_glyph(pen.face, "\uffff")


@pytest.mark.parametrize(
    "case", ["two hands", "one of two refused", "sides undetermined", "findings disagree"]
)
def test_both_languages_say_the_same_numbers(case, pen):
    """Only words are translated: probability, operating point and stages are equal, digit by digit."""
    both = [lay_out(REPORTS[case], displays(REPORTS[case]), each) for each in (ENGLISH, pen)]
    for finding in REPORTS[case].hands:
        if finding.recognition is None:
            continue
        for number in percent_words(finding.recognition, english()):
            assert all(any(number in words.text for words in layout.words) for layout in both)
    bars = [[w.text for w in layout.words if re.fullmatch(r"<?\d+", w.text)] for layout in both]
    assert bars[0] == bars[1]
    dashed = [[o.dashed for o in layout.outlines if o.role == "hand"] for layout in both]
    assert dashed[0] == dashed[1]


def test_chinese_lines_break_where_chinese_breaks(pen):
    """After any sign, but no line begins with a stop or ends with an opening bracket."""
    block = pen.paragraph(
        "手（图像左侧，侧别未定）：类风湿关节炎阳性（概率 87.0 %，判定阈值 50.0 %），3 期。" * 3,
        40,
        300,
        lines=99,
    )
    rows = [words.text for words in block.words]
    assert len(rows) > 5
    assert all(words.box.width_px <= 300 for words in block.words)
    assert [row for row in rows if row[0] in "，。；：、）%"] == []
    assert [row for row in rows if row[-1] == "（"] == []


def test_an_overlay_in_chinese_declares_its_character_set(pen):
    """The summary in the header is Chinese and survives writing and reading, also beside a Latin-1 name."""
    shown = report(image(hand()))
    producer = replace(PRODUCER, language=pen.language)
    received = source(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Änne")
    picture = render_overlay(shown, displays(shown), pen.language)
    made = build_overlay(picture, shown, {str(received.SOPInstanceUID): received}, producer)
    stream = BytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    read = dcmread(BytesIO(stream.getvalue()))
    assert read.SpecificCharacterSet == "ISO_IR 192"
    assert read.ImageComments == "类风湿关节炎：所评级的一只手疑似：右手（3 期）。"
    assert read.PatientName == "Müller^Änne"


def test_english_needs_no_font_of_the_machine():
    """The node's own font comes with it, so a bare machine can draw."""
    assert face_of(english(), ()) == OWN


def test_a_missing_font_is_named_with_its_package(tmp_path):
    """An operator reads what to install, before the first study."""
    with pytest.raises(
        Fatal, match=r"expects a font out of NotoSansCJK-Regular\.ttc#2.*install fonts-noto-cjk"
    ):
        face_of(load_language("zh"), (tmp_path,))


def test_a_font_is_found_below_its_folder(tmp_path):
    """Distributions sort fonts into folders of their own; a bold one that is absent is the regular one."""
    path = tmp_path / "opentype" / "own" / "Own-Regular.otf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    own = Language("own", english().texts, Fonts(("Absent.ttf", "Own-Regular.otf#3"), ("Own-Bold.otf",)))
    assert face_of(own, (tmp_path,)) == Face((str(path), 3), (str(path), 3))
