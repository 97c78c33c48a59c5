"""A radiograph reads the same however it is stored, with bone bright; what cannot be read is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from ra_node.domain.refusal import Reason
from ra_node.errors import Refused
from ra_node.imaging.pixels import PixelLimits, PixelsRefused, read_png, read_radiograph
from tests.imaging.datasets import SIDE_PX, image_dataset, ramp


def saved_and_read(dataset: Dataset, syntax: UID) -> Dataset:
    """Send a data set through a PS3.10 file in the given uncompressed syntax."""
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = BytesIO()
    if syntax == ExplicitVRBigEndian:
        words = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
        dataset.PixelData = words.byteswap().tobytes()
    dcmwrite(stream, dataset, enforce_file_format=True)
    stream.seek(0)
    return dcmread(stream)


def refusal_of(dataset: Dataset, **limits: int) -> tuple[Reason, str]:
    with pytest.raises(PixelsRefused) as caught:
        read_radiograph(dataset, PixelLimits(**limits))
    assert isinstance(caught.value, Refused)
    assert str(caught.value) == caught.value.refusal.text
    return caught.value.refusal.reason, caught.value.refusal.text


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(8, 16),
    signed=st.booleans(),
    slope=st.sampled_from([1.0, 0.5, 2.25]),
    intercept=st.sampled_from([0.0, -1024.0, 7.5]),
)
def test_modality_values_are_stored_values_rescaled(bits, signed, slope, intercept):
    """Whatever the bits and the sign, values = slope * stored + intercept (C.11.1)."""
    stored = ramp(bits, signed=signed)
    dataset = image_dataset(stored, bits=bits, RescaleSlope=slope, RescaleIntercept=intercept)
    values = read_radiograph(dataset).values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, stored.astype(np.float64) * slope + intercept, rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(bits=st.integers(8, 16), signed=st.booleans())
def test_monochrome1_of_the_complement_reads_as_monochrome2(bits, signed):
    """Both polarities of one exposure give the same values and the same display, bone bright."""
    stored = ramp(bits, signed=signed)
    complement = (int(stored.min()) + int(stored.max()) - stored.astype(np.int64)).astype(stored.dtype)
    plain = read_radiograph(image_dataset(stored, bits=bits))
    inverted = read_radiograph(image_dataset(complement, bits=bits, interpretation="MONOCHROME1"))
    np.testing.assert_array_equal(inverted.values, plain.values)
    assert np.abs(inverted.display.astype(int) - plain.display).max() <= 2


@settings(max_examples=20, deadline=None)
@given(low=st.integers(0, 4), bits=st.integers(8, 12), signed=st.booleans(), junk=st.integers(0, 65535))
def test_bits_around_the_stored_value_are_ignored(low, bits, signed, junk):
    """HighBit says where the value lies in its word; the other bits may hold anything (PS3.5 8.1.1)."""
    stored = ramp(bits, signed=signed)
    inside = ((1 << bits) - 1) << low
    words = ((stored.astype(np.int64) << low) & inside) | (junk & ~inside & 0xFFFF)
    dataset = image_dataset(words.astype(np.uint16), bits=bits)
    dataset.HighBit, dataset.PixelRepresentation = low + bits - 1, int(signed)
    np.testing.assert_array_equal(read_radiograph(dataset).values, stored.astype(np.float32))


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian],
)
def test_uncompressed_syntaxes_read_alike(syntax, bits):
    """Implicit, explicit, deflated and big endian files hold the same picture."""
    stored = ramp(bits)
    dataset = saved_and_read(image_dataset(stored, bits=bits), syntax)
    np.testing.assert_array_equal(read_radiograph(dataset).values, stored)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_lossless_syntaxes_read_as_the_original(syntax, bits, signed):
    """RLE and JPEG-LS give every value back, signed ones too."""
    stored = ramp(bits, signed=signed)
    dataset = image_dataset(stored, bits=bits)
    dataset.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read_radiograph(dataset).values, stored)


def test_near_lossless_stays_within_its_error():
    """JPEG-LS near-lossless differs by at most the error that it was made with."""
    stored = ramp(12)
    dataset = image_dataset(stored, bits=12)
    dataset.compress(JPEGLSNearLossless, jls_error=3, generate_instance_uid=False)
    assert np.abs(read_radiograph(dataset).values - stored).max() <= 3


@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_2000_reads_as_the_original(bits):
    """A JPEG 2000 codestream from another encoder gives every value back."""
    stored = ramp(bits)
    reversible = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    made, boxed = cv2.imencode(".jp2", stored, reversible)
    assert made
    codestream = boxed.tobytes()[boxed.tobytes().index(b"\xff\x4f\xff\x51") :]
    dataset = image_dataset(stored, bits=bits, syntax=JPEG2000Lossless)
    dataset.PixelData = encapsulate([codestream])
    np.testing.assert_array_equal(read_radiograph(dataset).values, stored)


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("dcmcjpeg", ["+e1"]),
        ("dcmcjpeg", ["+el"]),
        ("dcmcjpls", []),
        ("dcmcrle", []),
    ],
    ids=["JPEG lossless SV1", "JPEG lossless", "JPEG-LS", "RLE"],
)
def test_what_dcmtk_compresses_reads_as_the_original(program, options, tmp_path, require_tool):
    """An encoder that nobody here wrote makes files that read as before."""
    stored = ramp(12)
    image_dataset(stored, bits=12).save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    command = [require_tool(program), *options, str(tmp_path / "plain.dcm"), str(tmp_path / "small.dcm")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    dataset = dcmread(tmp_path / "small.dcm")
    assert dataset.file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(read_radiograph(dataset).values, stored)


def test_baseline_jpeg_reads_nearly_as_the_original(tmp_path, require_tool):
    """Eight bits in lossy JPEG come back within a few grey levels."""
    stored = ramp(8)
    image_dataset(stored).save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    command = [
        require_tool("dcmcjpeg"),
        "+eb",
        "+q",
        "95",
        str(tmp_path / "plain.dcm"),
        str(tmp_path / "j.dcm"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert np.abs(read_radiograph(dcmread(tmp_path / "j.dcm")).values - stored).max() <= 4


def test_the_consistent_pair_of_dx_inverts_once():
    """MONOCHROME1 with PresentationLUTShape INVERSE is one statement, not two (C.8.11.3.1.2)."""
    stored = ramp(12)
    once = read_radiograph(image_dataset(stored, bits=12, interpretation="MONOCHROME1"))
    pair = image_dataset(stored, bits=12, interpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    np.testing.assert_array_equal(read_radiograph(pair).values, once.values)
    np.testing.assert_array_equal(once.values, 4095 - stored.astype(np.float32))
    alone = image_dataset(stored, bits=12, PresentationLUTShape="INVERSE")
    np.testing.assert_array_equal(read_radiograph(alone).values, once.values)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR", lambda x: (x - 1999.5) / 999 + 0.5),
        ("LINEAR_EXACT", lambda x: (x - 2000) / 1000 + 0.5),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 1000))),
    ],
)
def test_the_first_window_makes_the_display(function, expected):
    """The display follows the VOI function of the first window (C.11.2.1)."""
    stored = ramp(12)
    dataset = image_dataset(
        stored, bits=12, WindowCenter=[2000, 100], WindowWidth=[1000, 10], VOILUTFunction=function
    )
    grey = np.clip(expected(stored.astype(np.float64)), 0, 1) * 255
    np.testing.assert_allclose(read_radiograph(dataset).display, grey, atol=0.51)


def lookup_item(first: int, table: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(table), first, bits])
    item.add_new("LUTData", "US", table)
    return item


def test_lookup_tables_replace_rescale_and_window():
    """Modality LUT gives the values, VOI LUT the display, and both extend their ends."""
    stored = ramp(8)
    dataset = image_dataset(stored, WindowCenter=1, WindowWidth=1)
    dataset.ModalityLUTSequence = [lookup_item(10, [100 * i for i in range(200)], 16)]
    dataset.VOILUTSequence = [lookup_item(5000, [0, 255], 8)]
    radiograph = read_radiograph(dataset)
    values = 100 * (np.clip(stored.astype(int), 10, 209) - 10)
    np.testing.assert_array_equal(radiograph.values, values)
    np.testing.assert_array_equal(radiograph.display, np.where(values > 5000, 255, 0))


def test_an_unusable_window_falls_back_to_the_pixels():
    """Width 0 and empty values are no window: the display then spans the picture."""
    for width in (0, None, []):
        dataset = image_dataset(ramp(12), bits=12, WindowCenter=5, WindowWidth=width)
        display = read_radiograph(dataset).display
        assert (display.min(), display.max()) == (0, 255)


@pytest.mark.parametrize("odd_entry", [4095, 16383, 65535])
def test_a_voi_lut_that_claims_more_bits_than_it_holds_does_not_make_the_image_dark(odd_entry):
    """12 bits in 16, with one entry beyond: the display is windowed from the data."""
    stored = np.clip(np.random.default_rng(0).normal(1500, 600, (SIDE_PX, SIDE_PX)), 0, 4095)
    dataset = image_dataset(stored.astype(np.uint16), bits=12)
    dataset.VOILUTSequence = [lookup_item(0, [*range(4095), odd_entry], 16)]
    assert np.percentile(read_radiograph(dataset).display, 99.5) > 150


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_as_dark_as_the_darkest_pixel(interpretation):
    """What the header calls padding can neither outshine a bone nor stretch the display."""
    stored = np.full((SIDE_PX, SIDE_PX), 1000, np.uint16)
    stored[40:80, 40:80] = 1500
    for padding in (0, 4095):
        picture = stored.copy()
        picture[:20] = padding
        dataset = image_dataset(picture, bits=12, interpretation=interpretation, PixelPaddingValue=padding)
        radiograph = read_radiograph(dataset)
        assert np.ptp(radiograph.values) == 500
        assert (radiograph.values[:20] == radiograph.values.min()).all()
        assert (radiograph.display[:20] == 0).all()


def test_colour_reads_as_its_brightness():
    """RGB, YBR and a palette of one grey picture read as that picture."""
    grey = ramp(8)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    ybr = np.stack([grey, np.full_like(grey, 128), np.full_like(grey, 128)], axis=2)
    palette = image_dataset(grey, interpretation="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        palette.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
        setattr(palette, f"{name}PaletteColorLookupTableData", bytes(range(256)))
    for dataset in (
        image_dataset(colour, interpretation="RGB"),
        image_dataset(ybr, interpretation="YBR_FULL"),
        palette,
    ):
        values = read_radiograph(dataset).values
        assert np.abs(values - grey).max() <= 1


def test_no_pixels_is_said():
    dataset = image_dataset(ramp(8))
    del dataset.PixelData
    assert refusal_of(dataset) == (Reason.NO_PIXELS, "Expected pixel data, found none.")


def test_size_is_checked_before_decoding():
    """A header that promises more than the limit is refused though its pixels are a few bytes."""
    dataset = image_dataset(ramp(8))
    dataset.Rows = dataset.Columns = 40_000
    reason, text = refusal_of(dataset)
    assert reason is Reason.TOO_LARGE
    assert "120 megapixels" in text
    assert "40000 rows" in text


def test_a_small_image_is_refused():
    reason, text = refusal_of(image_dataset(ramp(8)), side_px=SIDE_PX + 1)
    assert reason is Reason.TOO_SMALL
    assert f"{SIDE_PX} rows" in text


def test_a_frame_larger_than_its_header_is_not_decoded():
    """A compressed frame that would unpack to another size than Rows and Columns is refused."""
    for syntax in (JPEGLSLossless, JPEG2000Lossless):
        large = np.zeros((400, 400), np.uint8)
        dataset = image_dataset(large)
        if syntax == JPEGLSLossless:
            dataset.compress(syntax, generate_instance_uid=False)
        else:
            boxed = cv2.imencode(".jp2", large)[1].tobytes()
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.PixelData = encapsulate([boxed[boxed.index(b"\xff\x4f\xff\x51") :]])
        dataset.Rows = dataset.Columns = 200
        reason, text = refusal_of(dataset)
        assert reason is Reason.UNREADABLE_PIXELS
        assert "200 rows and 200 columns, found 400 rows" in text


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
def test_truncated_pixels_are_refused(syntax):
    """Half a picture is never read as a whole one."""
    noise = np.random.default_rng(1).integers(0, 4096, (SIDE_PX, SIDE_PX), dtype=np.uint16)
    dataset = image_dataset(noise, bits=12)
    if syntax is None:
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
    else:
        dataset.compress(syntax, generate_instance_uid=False)
        frame = next(iter(generate_frames(dataset.PixelData, number_of_frames=1)))
        dataset.PixelData = encapsulate([frame[: len(frame) // 2]])
    assert refusal_of(dataset)[0] is Reason.UNREADABLE_PIXELS


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"BitsAllocated": 0}, "0 allocated"),
        ({"BitsAllocated": 32}, "32 allocated"),
        ({"BitsStored": 0}, "0 bits stored"),
        ({"BitsStored": 12}, "12 bits stored"),
        ({"PhotometricInterpretation": "HSV"}, '"HSV"'),
        ({"PhotometricInterpretation": "RGB"}, "1 samples"),
        ({"SamplesPerPixel": 3}, "3 samples"),
    ],
)
def test_a_senseless_header_is_refused_with_what_was_found(change: dict[str, Any], part: str):
    reason, text = refusal_of(image_dataset(ramp(8), **change))
    assert reason is Reason.UNREADABLE_PIXELS
    assert text.startswith("Expected")
    assert part in text


def test_several_frames_are_refused():
    """A second frame could hold another hand, so the first is not taken for the whole."""
    reason, text = refusal_of(image_dataset(ramp(8), NumberOfFrames=2))
    assert reason is Reason.NOT_A_RADIOGRAPH
    assert "2 frames" in text


@settings(max_examples=60, deadline=None)
@given(junk=st.binary(max_size=400), syntax=st.sampled_from([RLELossless, JPEGLSLossless, JPEG2000Lossless]))
def test_junk_is_refused_and_never_escapes(junk, syntax):
    """Whatever a compressed frame holds, the only exception is the refusal, without the patient."""
    dataset = image_dataset(ramp(8), syntax=syntax, PatientName="Doe^Jane", PatientID="4711")
    dataset.PixelData = encapsulate([b"\xff\xd8" + junk + b"\xff\xd9"])
    reason, text = refusal_of(dataset)
    assert reason is Reason.UNREADABLE_PIXELS
    assert "Doe" not in text
    assert "4711" not in text


@pytest.mark.parametrize("bits", [8, 16])
def test_png_reads_grey_and_colour(bits: int, tmp_path: Path):
    """A PNG of either depth gives its grey values, and a colour one their brightness."""
    stored = ramp(bits)
    cv2.imwrite(str(tmp_path / "grey.png"), stored)
    cv2.imwrite(str(tmp_path / "colour.png"), np.repeat(stored[:, :, None], 3, axis=2))
    for name in ("grey.png", "colour.png"):
        radiograph = read_png(tmp_path / name)
        np.testing.assert_allclose(radiograph.values, stored, atol=1)
        assert radiograph.display.dtype == np.uint8
        assert radiograph.display.max() == 255


def test_a_file_that_is_no_png_is_refused(tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    spoilt = tmp_path / "spoilt.png"
    cv2.imwrite(str(spoilt), ramp(8))
    spoilt.write_bytes(spoilt.read_bytes()[:60])
    refused: list[Callable[[], object]] = [
        lambda: read_png(tmp_path / "text.png"),
        lambda: read_png(tmp_path / "absent.png"),
        lambda: read_png(spoilt),
    ]
    for read in refused:
        with pytest.raises(PixelsRefused) as caught:
            read()
        assert caught.value.refusal.reason is Reason.UNREADABLE_PIXELS


def test_a_free_text_in_the_place_of_a_photometric_interpretation_is_not_quoted():
    with pytest.raises(PixelsRefused, match="found not a defined term with 1 samples") as refused:
        read_radiograph(image_dataset(ramp(8), PhotometricInterpretation="DOE JANE 1961"))
    assert "DOE" not in str(refused.value)
