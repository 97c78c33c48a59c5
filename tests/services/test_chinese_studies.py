"""Phantom studies for what the node refuses and remarks, in Chinese: no sentence is left in English."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.overlay.typesetting import Pen, pen_of
from ra_node.dicom.pdf_layout import report_pdf
from ra_node.dicom.reading.file import DatasetRefused, read_dataset, read_header
from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.patient.age import age_of
from ra_node.domain.patient.identity import identity
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.texts.translations import load_language
from ra_node.errors import Fatal
from ra_node.ledger.jobs.queue import LOST
from ra_node.ledger.storage.durable_files import Damage
from ra_node.services.analysis.study_analysis import failed_finding, look_at, make_report, refused
from ra_node.services.jobs.damaged_content import damaged_finding
from ra_node.services.reception.patient_consistency import SEVERAL_ORDERS, conflict_of
from ra_node.services.reporting.answer import _in_words
from ra_node.services.reporting.reduced_answer import _SAYS, minimal
from tests.dicom.builders import BUNDLE, COLUMNS, CR, CREATED, ROWS, SERIES, STUDY, both_hands, image, source
from tests.finders import demo_rules

CHINESE = load_language("zh")
LATIN = re.compile(r"[A-Za-z]{2,}")
TERMS = re.compile(
    r"ra-node|SHA-256|UTC|AUC|\bAI\b|\bRA\b|\b(?:CR|DX|PNG|DICOM|DICM)\b|(?:Modality|VOI) LUT|XYB"
    r"|efficientnet_b2|demo|hand (?:recognition|staging)|[0-9a-f]{12}"
    r"|(?:SOP|Study|Series) (?:Class|Instance) UID"
    r"|[A-Z][A-Za-z']*(?: [A-Za-z']+)* \([0-9A-F]{4},[0-9A-F]{4}\)|ImageLaterality|PatientOrientation"
    rf"|{re.escape(ExplicitVRLittleEndian.name)}|{re.escape(JPEGLSLossless.name)}"
    rf"|{re.escape(JPEGLosslessSV1.name)}|[A-Z]\w+Error|EIO|pixels\.py"
)
"""What stays in Latin letters: names, DICOM attributes and terms, transfer syntaxes, abbreviations."""

ADULTS = replace(BUNDLE, ages=(18.0, 90.0), notice="Research use only", heat_map=None)
PICTURE = np.tile(np.linspace(0, 4095, COLUMNS).astype(np.uint16), (ROWS, 1))
Case = Callable[[], ImageFinding | StudyReport]


def picture(**attributes: object) -> Dataset:
    return source(**{"PixelData": PICTURE.tobytes(), **attributes})


def seen(change: Callable[[Dataset], None]) -> Case:
    """What becomes of an image that is changed so before it is looked at."""

    def made() -> ImageFinding:
        dataset = picture()
        change(dataset)
        return look_at(dataset, demo_rules()).finding

    return made


def given(**attributes: object) -> Case:
    return lambda: look_at(picture(**attributes), demo_rules()).finding


def lacking(keyword: str) -> Case:
    return seen(lambda dataset: delattr(dataset, keyword))


def packed(change: Callable[[bytes], bytes] = bytes, **attributes: object) -> Case:
    """An image whose only frame is compressed and changed so, under a header with these attributes."""

    def made() -> ImageFinding:
        dataset = picture()
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        dataset.PixelData = encapsulate([change(frame)])
        for keyword, value in attributes.items():
            holder = dataset.file_meta if keyword == "TransferSyntaxUID" else dataset
            setattr(holder, keyword, value)
        return look_at(dataset, demo_rules()).finding

    return made


def undecodable_jpeg(dataset: Dataset) -> None:
    """A frame of JPEG Lossless that ends in zeros; the name of its transfer syntax has commas."""
    start = b"\xff\xd8\xff\xc3\x00\x0b\x0c" + ROWS.to_bytes(2) + COLUMNS.to_bytes(2) + b"\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00"
    dataset.PixelData = encapsulate([start + scan + bytes(100) + b"\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def table(sequence: str, descriptor: list[int], entries: int) -> Case:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "US", [7] * entries)
    return given(**{sequence: [item], "WindowCenter": None, "WindowWidth": None})


def oblong(*spacing: float, **more: object) -> Case:
    return given(ImagerPixelSpacing=list(spacing), **more)


def damaged(damage: Damage) -> Case:
    return lambda: damaged_finding("2.25.2001", CR, SERIES, damage)


def failed(why: str) -> Case:
    return lambda: failed_finding(read_header(source()), _in_words(why))


def cut_off(change: Callable[[bytes], bytes], path) -> ImageFinding:
    """A file that was changed so."""
    source().save_as(path, enforce_file_format=True)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DatasetRefused) as error:
        read_dataset(path)
    return refused(read_header(source()), error.value.refusal)


def remarked(text: str) -> Case:
    return lambda: image(*both_hands(), remarks=(text,))


def aged(stated: str, birth_date: str = "") -> Case:
    age = age_of(stated, birth_date, ("20261123",))
    return lambda: replace(
        image(*both_hands()), facts=replace(image().facts, age=age), rows=ROWS, columns=COLUMNS
    )


def of_two_patients() -> StudyReport:
    people = [
        identity(patient_id="1", issuer="A", birth_date="19500101", sex="F", names=("One^Ann",)),
        identity(patient_id="2", issuer="A", birth_date="19610101", sex="M", names=("Two^Bob",)),
    ]
    images = [image(*both_hands()), image(*both_hands(), number=2)]
    return make_report(STUDY, 1, images, ADULTS, created_at=CREATED, conflict=conflict_of(people))


def without_results() -> StudyReport:
    report = make_report(STUDY, 1, [image(*both_hands())], ADULTS, created_at=CREATED)
    return minimal(report, [read_header(source())], None)


CASES: dict[str, Case] = {
    "float pixels": seen(
        lambda dataset: (delattr(dataset, "PixelData"), dataset.add_new("FloatPixelData", "OF", bytes(8)))[0]
    ),
    "no rows": given(Rows=0),
    "several frames": given(NumberOfFrames=3),
    "no photometric interpretation": given(PhotometricInterpretation=""),
    "another photometric interpretation": given(PhotometricInterpretation="XYB"),
    "a name as photometric interpretation": given(PhotometricInterpretation="DOE"),
    "32 bits": given(BitsAllocated=32),
    "few bytes": given(PixelData=bytes(100)),
    "a word for a number": seen(lambda dataset: dataset.add_new("BitsAllocated", "LO", "many")),
    "no palette": given(PhotometricInterpretation="PALETTE COLOR"),
    "undecodable": packed(lambda frame: frame[:200] + bytes(200) + frame[-2:]),
    "undecodable, with commas": seen(undecodable_jpeg),
    "a frame cut off": packed(lambda frame: frame[:300]),
    "a larger frame": packed(Rows=200, Columns=200),
    "another transfer syntax": packed(TransferSyntaxUID=JPEG2000Lossless),
    **{
        f"no {keyword}": lacking(keyword)
        for keyword in ("BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel", "BitsAllocated")
    },
    "a rescale out of range": given(RescaleSlope=1e35),
    "a window beside the picture": given(WindowCenter=60000, WindowWidth=2),
    "a modality table without its numbers": table("ModalityLUTSequence", [1], 4),
    "a modality table cut off": table("ModalityLUTSequence", [400, 0, 16], 4),
    "a display table cut off": table("VOILUTSequence", [400, 0, 16], 4),
    "a display table of one grey": table("VOILUTSequence", [4, 0, 16], 4),
    "oblong pixels": oblong(0.2, 0.15),
    "an impossible shape": oblong(9.0, 0.15),
    "two shapes": oblong(0.2, 0.15, PixelAspectRatio=[1, 1]),
    **{f"file {damage}": damaged(damage) for damage in Damage},
    **{f"effort {effort.name}": remarked(text) for effort, text in _SAYS.items()},
    "two orders": remarked(SEVERAL_ORDERS),
    "two patients": of_two_patients,
    "results that cannot be written": without_results,
    "killed": failed(f"{LOST} 3 times"),
    "killed at last": failed(f"{LOST} on attempt 3; before: OSError EIO in pixels.py:90"),
    "gives errors": failed("OSError EIO in pixels.py:90; 40 times, while a known-good image was analysed"),
    "no decoder": failed(
        f"expected a library that decodes {JPEGLSLossless.name}, found none that loads; 40 times,"
        " while a known-good image was analysed"
    ),
    "no reason": failed("no reason was recorded"),
    "gone": failed("expected the kept file of an image, found none"),
    **{
        f"age {stated or born}": aged(stated, born)
        for stated, born in (
            ("009Y", ""), ("adult", ""), ("200Y", ""), ("", "19000101"), ("", "unknown"), ("", "20270101"),
            ("", "18500101"), ("030Y", "19600101"),
        )
    },
}  # fmt: skip
FILES: dict[str, Callable[[bytes], bytes]] = {
    "pixels that break off": lambda content: content[:-1000],
    "a header that breaks off": lambda content: content[:500],
    "no DICOM": lambda _content: b"a letter to the patient, of some length",
    "nothing": lambda _content: b"",
    "no identity": lambda content: content.replace(b"\x08\x00\x18\x00UI", b"\x09\x00\x18\x00UI", 1),
}


@pytest.fixture(scope="module")
def pen() -> Pen:
    """The pen of Chinese, or a skip with its reason; where peers are required, fonts are too."""
    try:
        return pen_of(CHINESE)
    except Fatal as error:
        if os.environ.get("RA_NODE_REQUIRE_PEERS") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


def study_of(found: ImageFinding | StudyReport, bundle: BundleIdentity = ADULTS) -> StudyReport:
    if isinstance(found, StudyReport):
        return found
    return make_report(STUDY, 1, [found], bundle, created_at=CREATED)


def texts_of(report: StudyReport) -> set[str]:
    """Every refusal and remark of a report."""
    refusals = [report.refusal, *(one.refusal for one in (*report.images, *report.hands))]
    outside = [each for hand in report.hands for each in hand.outside]
    remarks = [remark for each in report.images for remark in each.remarks]
    return {each.text for each in (*refusals, *outside) if each is not None} | set(remarks)


def expect_chinese(report: StudyReport, pen: Pen) -> None:
    texts = texts_of(report)
    assert texts
    for text in texts:
        said = CHINESE.told(text)
        assert said is not None, text
        assert not LATIN.search(TERMS.sub("", said)), said
    grey = {each.sop_instance_uid: np.zeros((each.rows, each.columns), np.uint8) for each in report.images}
    shown = " ".join(words.text for words in lay_out(report, grey, pen).words)
    assert not LATIN.search(TERMS.sub("", shown)), shown


@pytest.mark.parametrize("case", CASES)
def test_no_english_is_left_of_a_refusal_or_remark(case, pen):
    """Through the code that finds it: what the sentences hold comes from real images."""
    expect_chinese(study_of(CASES[case]()), pen)


@pytest.mark.parametrize("case", FILES)
def test_no_english_is_left_of_a_file_that_cannot_be_read(case, pen, tmp_path):
    expect_chinese(study_of(cut_off(FILES[case], tmp_path / "image.dcm")), pen)


@pytest.mark.parametrize("case", ["oblong pixels", "two patients", "no BitsStored", "killed at last"])
def test_no_english_is_left_in_the_report_to_print(case, tmp_path, require_tool):
    """Lines break anywhere in Chinese, so whole sentences are compared without blanks."""
    report = study_of(CASES[case]())
    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(report, np.zeros((40, 30, 3), np.uint8), CHINESE))
    command = [require_tool("pdftotext"), path, "-"]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    pages = "".join(shown.split())
    for text in texts_of(report):
        assert "".join(str(CHINESE.told(text)).split()) in pages
        assert "".join(text.split()) not in pages
