"""The report to print says what the report says, names no patient, and opens in a real PDF reader."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from PIL import Image

from ra_node.dicom.encapsulated_pdf import build_pdf
from ra_node.dicom.pdf_fonts import fitting
from ra_node.domain.texts.translations import load_language
from tests.dicom.builders import PRODUCER
from tests.dicom.cases import CASES

PICTURE = np.full((400, 300, 3), (200, 30, 30), np.uint8)


@pytest.fixture
def pages(tmp_path, require_tool):
    """Write the PDF of a case, and read it back with poppler: its text, and each page as a picture."""

    def read(name, language=None):
        case = CASES[name]()
        made = build_pdf(case.report, PICTURE, case.sources, PRODUCER, language)
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(made.EncapsulatedDocument[: made.EncapsulatedDocumentLength])
        text = subprocess.run(
            [require_tool("pdftotext"), "-layout", path, "-"], capture_output=True, check=True, text=True
        ).stdout
        subprocess.run([require_tool("pdftoppm"), "-r", "40", "-png", path, tmp_path / name], check=True)
        return " ".join(text.split()), sorted(tmp_path.glob(f"{name}-*.png"))

    return read


def test_the_pages_say_summary_hands_caveat_and_models(pages):
    text, pictures = pages("two_hands")
    for wanted in (
        "AI result, not verified by a physician",
        "RA suspected in 1 of 2 hands rated",
        "Right hand: RA suspected, probability of RA 87 %",
        "Left hand: RA not seen, probability of RA 8 %",
        "not a medical device",
        "hand recognition 1.0",
        "2.25.1001",
    ):
        assert wanted in text
    assert len(pictures) <= 2


def test_the_answer_or_the_reason_is_the_first_line_and_no_caveat_is_there_twice(pages):
    """A refused report was headed "AI result - not verified"."""
    for name, first in (("two_hands", "RA suspected in 1 of 2"), ("no_hands", "No AI result")):
        text, _ = pages(name)
        assert text.strip().startswith(first)
        assert text.count("not verified") == 1


def test_the_overlay_is_on_the_first_page_and_no_page_is_black(pages):
    """A page of its own costs a cartridge of toner."""
    _, (first, *_others) = pages("two_hands")
    with Image.open(first) as opened:
        shown = np.asarray(opened.convert("RGB")).astype(int)
    red = (np.abs(shown - (200, 30, 30)).max(axis=2) < 20).mean()
    assert 0.15 < red < 0.5


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("no_hands", "No hand was found"), ("one_refused", "fingertips lie outside"), ("remarked", "inverted")],
)
def test_reasons_and_remarks_are_there(pages, name, wanted):
    assert wanted in pages(name)[0]


def test_it_speaks_chinese(pages):
    text, pictures = pages("two_hands", load_language("zh"))
    assert "类风湿关节炎" in text
    with Image.open(pictures[0]) as opened:
        assert np.asarray(opened.convert("L")).min() < 100


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_font_is_embedded(tmp_path, require_tool, language):
    """A viewer without its language pack showed no Chinese, and one without any font shows nothing."""
    case = CASES["two_hands"]()
    words = load_language(language)
    path = tmp_path / "report.pdf"
    path.write_bytes(build_pdf(case.report, PICTURE, case.sources, PRODUCER, words).EncapsulatedDocument)
    told = subprocess.run([require_tool("pdffonts"), path], capture_output=True, check=True, text=True).stdout
    fonts = [line.split() for line in told.splitlines()[2:]]
    assert len(fonts) == 2
    assert all(font[-5:-2] == ["yes", "yes", "yes"] for font in fonts), told
    assert path.stat().st_size < 100_000


def test_what_no_font_has_is_spelt_as_on_the_overlay():
    """A label in a script of which the language knows no font; the page must still be made."""
    assert fitting("\u4ec5\u4f9b R\xf6ntgen \x1b", load_language("en")) == ("Vera", "?? Rontgen ?")
    name, text = fitting("\u624b \U0001f590", load_language("zh"))
    assert (name.startswith("text-"), text) == (True, "\u624b ?")


@pytest.mark.parametrize("name", CASES)
def test_no_page_names_the_patient(name):
    case = CASES[name]()
    made = build_pdf(case.report, PICTURE, case.sources, PRODUCER)
    for secret in (b"Phantom", b"P-1", b"19600101"):
        assert secret not in made.EncapsulatedDocument
    assert made.BurnedInAnnotation == "NO"


def test_the_same_report_makes_the_same_bytes():
    case = CASES["two_hands"]()
    first, second = (build_pdf(case.report, PICTURE, case.sources, PRODUCER) for _ in range(2))
    assert first == second


def test_streams_are_binary():
    """In ASCII85 a document was a fifth larger, and its making took half as long again."""
    case = CASES["two_hands"]()
    document = build_pdf(case.report, PICTURE, case.sources, PRODUCER).EncapsulatedDocument
    assert b"FlateDecode" in document
    assert b"ASCII85Decode" not in document
