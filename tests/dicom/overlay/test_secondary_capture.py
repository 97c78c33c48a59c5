"""The overlay as a DICOM object of its study."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from ra_node.dicom.overlay.layout import lay_out, shown_images
from ra_node.dicom.overlay.secondary_capture import (
    build_detail,
    build_overlay,
    overlay_uid,
    render_overlay,
    write_png,
)
from ra_node.dicom.overlay.verdict_frame import lay_out_verdict
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import HandVerdict
from ra_node.domain.salient_joints import standing_out
from ra_node.domain.texts.joint_sentences import attention_sentence, joint_name
from ra_node.domain.texts.report_sentences import hand_sentence, presence, refusal_text
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import english
from ra_node.domain.texts.wording import percent_words
from tests.dicom.builders import (
    BUNDLE,
    LEFT_REGION,
    NO_HAND,
    NO_PICTURE,
    PRODUCER,
    STUDY,
    both_hands,
    hand,
    image,
    image_uid,
    refused_hand,
    report,
    source,
)
from tests.dicom.overlay_cases import ENGLISH, REPORTS, displays

PICTURE = np.arange(5 * 3 * 3, dtype=np.uint8).reshape(5, 3, 3)
"""An odd number of bytes on purpose."""

ALLOWED = re.compile(
    r"^Warning - </ContributingEquipmentSequence\(0018,a001\)\[\d+\]/DeviceUID\(0018,1002\)> -"
    r" Attribute is not present in standard DICOM IOD$"
)
ALLOWED_ACROSS = "Different information entities for attribute - Element=<AccessionNumber>"


def sources_of(shown):
    """A received data set for each image of a report."""
    return {each.sop_instance_uid: source(number=n) for n, each in enumerate(shown.images, 1)}


def overlay(shown, **attributes):
    """The overlay of a report whose first source has the given attributes; a small picture stands in."""
    sources = sources_of(shown)
    for keyword, value in attributes.items():
        for each in sources.values():
            setattr(each, keyword, value)
    return build_overlay(PICTURE, shown, sources, PRODUCER)


def items_of(item: Dataset):
    yield item
    for child in item.get("ContentSequence", []):
        yield from items_of(child)


def written(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def test_the_picture_is_the_pixels_of_the_object():
    """What was drawn is what a viewer decodes, in colour."""
    read = dcmread(BytesIO(written(overlay(REPORTS["two hands"]))))
    assert np.array_equal(read.pixel_array, PICTURE)
    assert read.PhotometricInterpretation == "RGB"
    assert read.PlanarConfiguration == 0


def test_the_pixels_are_packed_without_loss():
    """JPEG-LS Lossless, one fragment of even length; the object does not claim a loss."""
    made = overlay(REPORTS["two hands"])
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    assert "LossyImageCompression" not in made
    assert len(made.PixelData) % 2 == 0


def test_a_picture_as_it_is_drawn_becomes_small():
    """A tenth of the fifteen megabytes that the uncompressed picture would have."""
    shown = REPORTS["explained"]
    picture = render_overlay(shown, displays(shown))
    made = build_overlay(picture, shown, sources_of(shown), PRODUCER)
    assert len(made.PixelData) < picture.nbytes / 10
    assert np.array_equal(dcmread(BytesIO(written(made))).pixel_array, picture)


def test_the_object_says_that_it_is_derived_burned_in_and_not_verified():
    """A PACS and a reader see what it is before it is opened."""
    made = overlay(REPORTS["two hands"])
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert list(made.ImageType) == ["DERIVED", "SECONDARY"]
    assert made.BurnedInAnnotation == "YES"
    assert made.SeriesDescription == "AI result - not verified: RA hands (overlay)"
    assert len(made.SeriesDescription) <= 64
    assert "not verified" in made.DerivationDescription
    assert BUNDLE.notice in made.DerivationDescription


@pytest.mark.parametrize(
    ("hands", "claimed"),
    [
        (both_hands(), "B"),
        ((hand(),), "R"),
        ((hand(0.2, 0, Side.LEFT),), "L"),
        ((refused_hand(),), "L"),
        ((hand(), hand(0.5, 1, Side.RIGHT, where=LEFT_REGION)), "R"),
        ((hand(), hand(0.5, 1, None, where=LEFT_REGION)), ""),
        ((hand(which=None),), ""),
    ],
)
def test_a_side_is_claimed_only_where_every_hand_has_one(hands, claimed):
    """Both, right, left, or nothing at all; an undetermined side is never filled in."""
    made = overlay(report(image(*hands)))
    assert (made.ImageLaterality or "") == claimed
    assert "Laterality" not in made
    assert made.BodyPartExamined == "HAND"


@pytest.mark.parametrize("case", REPORTS)
def test_the_sources_are_exactly_the_images_shown(case):
    """Neither a listed image nor one without picture is called a source of the picture, in either frame."""
    shown = REPORTS[case]
    sources = sources_of(shown)
    for made, layout in (
        (overlay(shown), lay_out_verdict(shown, displays(shown), ENGLISH)),
        (build_detail(PICTURE, shown, sources, PRODUCER), lay_out(shown, displays(shown), ENGLISH)),
    ):
        named = {item.ReferencedSOPInstanceUID for item in made.get("SourceImageSequence", [])}
        assert named == {photo.sop_instance_uid for photo in layout.photos}


def test_both_frames_are_images_of_one_series():
    """A viewer scrolls from the verdict to how it came about."""
    shown = REPORTS["two hands"]
    first, second = overlay(shown), build_detail(PICTURE, shown, sources_of(shown), PRODUCER)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert [first.InstanceNumber, second.InstanceNumber] == [1, 2]


def test_patient_and_study_are_those_of_the_source():
    """Every attribute that places the object in its study is equal, the optional ones as well."""
    attributes = {"StudyDescription": "Both hands, p.a.", "PatientAge": "066Y", "PatientWeight": "70"}
    made = overlay(REPORTS["two hands"], **attributes)
    origin = source(**attributes)
    for keyword in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientWeight",
        "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
        "ReferringPhysicianName",
    ):  # fmt: skip
        assert made[keyword].value == origin[keyword].value, keyword
    assert made.SeriesInstanceUID != origin.SeriesInstanceUID


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Änne"),
        ("ISO_IR 192", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_names_in_any_character_set_come_through(charset, name):
    """The bytes of a name are those of the source after writing and reading."""
    made = dcmread(
        BytesIO(written(overlay(REPORTS["one hand"], SpecificCharacterSet=charset, PatientName=name)))
    )
    assert made.PatientName == name


def test_a_source_that_lacks_nearly_everything_does_not_stop_it():
    """Attributes of type 2 are empty, the result is delivered."""
    bare = Dataset()
    bare.StudyInstanceUID = STUDY
    made = build_overlay(PICTURE, REPORTS["one hand"], {image_uid(1): bare}, PRODUCER)
    assert dcmread(BytesIO(written(made))).PatientID == ""
    without = build_overlay(PICTURE, REPORTS["one hand"], {}, PRODUCER)
    assert without.StudyInstanceUID == STUDY


def test_the_same_report_gives_the_same_bytes():
    """Sending twice is harmless: UIDs and times follow from the report alone."""
    shown = REPORTS["two hands"]
    assert written(overlay(shown)) == written(overlay(shown))
    assert overlay(shown).SOPInstanceUID == overlay_uid(shown)


def test_another_version_or_bundle_gives_another_object():
    """A revision never collides with what it replaces, nor with the structured report."""
    first = REPORTS["two hands"]
    later = replace(first, version=2)
    retrained = replace(first, bundle=replace(BUNDLE, sha256="ef" * 32))
    made = [overlay(shown) for shown in (first, later, retrained)]
    report_uids = build_sr(first, sources_of(first), PRODUCER)
    uids = [uid for each in (*made, report_uids) for uid in (each.SOPInstanceUID, each.SeriesInstanceUID)]
    assert len(set(uids)) == 8


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("+0000", "20261123013015"),
        ("-0500", "20261122203015"),
        ("", "20261123093015"),
        ("odd", "20261123093015"),
    ],
)
def test_times_are_in_the_zone_of_the_source(offset, expected):
    """One object knows one zone (PS3.3 C.12.1.1.8)."""
    made = overlay(REPORTS["one hand"], TimezoneOffsetFromUTC=offset)
    assert made.ContentDate + made.ContentTime == expected
    assert made.DateOfSecondaryCapture + made.TimeOfSecondaryCapture == expected


def test_a_lossy_source_makes_a_lossy_result():
    """What was lost before stays lost (PS3.3 C.7.6.1.1.5)."""
    assert overlay(REPORTS["one hand"], LossyImageCompression="01").LossyImageCompression == "01"
    assert "LossyImageCompression" not in overlay(REPORTS["one hand"])


@pytest.mark.parametrize("case", [case for case, shown in REPORTS.items() if shown.images])
def test_overlay_and_structured_report_agree(case):
    """Both are made from one report: summary, models, and for every hand shown the same numbers."""
    shown = REPORTS[case]
    made, sr = overlay(shown), build_sr(shown, sources_of(shown), PRODUCER)
    assert made.ImageComments == summary_sentence(shown)
    assert made.ContributingEquipmentSequence == sr.ContributingEquipmentSequence
    for keyword in ("StudyInstanceUID", "PatientID", "Manufacturer", "SoftwareVersions", "ContentTime"):
        assert made[keyword].value == sr[keyword].value
    comments = {item.TextValue for item in items_of(sr) if "TextValue" in item}
    words = [text.text for text in lay_out(shown, {}, ENGLISH).words]
    verdicts = " ".join(text.text for text in lay_out_verdict(shown, {}, ENGLISH).words)
    for finding in (finding for each in shown_images(shown) for finding in each.hands):
        sentence = hand_sentence(finding).rstrip()  # spaces at the end do not count (PS3.5 6.2)
        assert any(comment.startswith(sentence) for comment in comments)
        if finding.recognition is not None and finding.refusal is None:
            inconclusive = finding.verdict is HandVerdict.INCONCLUSIVE
            said = "INCONCLUSIVE" if inconclusive else presence(finding.recognition).upper()
            assert f"RA: {said}" in words
            assert percent_words(finding.recognition, english())[0] in (
                " ".join(words) if inconclusive else words
            )
            verdict = ENGLISH.say(f"verdict_{finding.verdict}")
            assert verdict in verdicts
        if finding.explanation is not None:
            assert attention_sentence(finding) in comments
            assert all(joint_name(joint.name) in words for joint in standing_out(finding.explanation))


@pytest.mark.parametrize("case", REPORTS)
def test_no_patient_attribute_reaches_the_picture(case):
    """What identifies the patient or the study stays in the header, where it can be removed."""
    shown = REPORTS[case]
    words = " ".join(text.text for text in lay_out(shown, displays(shown), ENGLISH).words)
    origin = source()
    for keyword in (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientAge",
        "StudyID",
        "StudyInstanceUID",
    ):
        assert not re.search(rf"\b{re.escape(str(origin[keyword].value))}\b", words), keyword


def test_a_picture_of_another_kind_is_refused():
    """The error says what was expected and found."""
    with pytest.raises(ValueError, match=r"expected an image \(rows, columns, 3\)"):
        build_overlay(PICTURE[:, :, 0], REPORTS["one hand"], {}, PRODUCER)


def test_a_png_holds_the_same_picture(tmp_path):
    """The operator page and the demo show what the PACS gets."""
    write_png(PICTURE, tmp_path / "overlay.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "overlay.png")), PICTURE)


def complaints(program, *paths):
    """What a judge says about files, without the warnings that are known and allowed."""
    done = subprocess.run(
        [*program, *map(str, paths)], capture_output=True, text=True, check=False, timeout=60
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [
        each
        for each in lines
        if each.startswith(("Error", "Warning")) and not ALLOWED.match(each) and ALLOWED_ACROSS not in each
    ]


@pytest.mark.parametrize(
    "case",
    [
        "one hand",
        "two hands",
        "sides undetermined",
        "both refused",
        "three images",
        "no hand",
        "no picture",
        "revision",
    ],
)
def test_dciodvfy_finds_nothing(case, require_tool, tmp_path):
    """The Secondary Capture IOD is complete, whatever there is to show."""
    path = tmp_path / "overlay.dcm"
    path.write_bytes(written(overlay(REPORTS[case])))
    assert complaints([require_tool("dciodvfy"), "-new"], path) == []


@pytest.mark.parametrize("modality", ["CR", "DX"])
def test_dcentvfy_finds_one_patient_and_one_study(modality, require_tool, tmp_path):
    """Source, structured report and overlay belong together."""
    shown = report(image(*both_hands()))
    sources = {image_uid(1): source(modality, PatientName="Müller^Änne", StudyDescription="Hände")}
    made = {
        "overlay": build_overlay(render_overlay(shown, {}), shown, sources, PRODUCER),
        "report": build_sr(shown, sources, PRODUCER),
        "source": sources[image_uid(1)],
    }
    paths = [tmp_path / f"{name}.dcm" for name in made]
    for path, dataset in zip(paths, made.values(), strict=True):
        path.write_bytes(written(dataset))
    assert complaints([require_tool("dcentvfy")], *paths) == []


def test_the_refusal_of_an_image_reaches_its_overlay():
    """An image without hands is shown with its reason; one without picture makes a card of words."""
    assert len(overlay(report(image(refusal=NO_HAND))).SourceImageSequence) == 1
    card = overlay(report(image(refusal=NO_PICTURE)))
    assert "SourceImageSequence" not in card
    assert refusal_text(NO_PICTURE) in card.ImageComments
