"""Reads DICOM files, also imperfect ones, with a clear reason where one cannot be read.

No message holds a value of the file's patient, study or series attributes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from pydicom import config, filereader
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from ra_node.dicom.reading.bounded_stream import (
    HEADER_BYTES,
    WHOLE_BYTES,
    CountedReads,
    TooMuchError,
    plain_stream,
)
from ra_node.dicom.reading.encapsulated_frames import UNDEFINED_LENGTH, CutOffError, is_codestream, read_value
from ra_node.dicom.reading.selection_attributes import FLOAT_PIXELS, HEADER_TAGS, PIXEL_TAGS, header_of
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.study import ImageHeader
from ra_node.errors import Refused

MARKER_OFFSET = 128
"""Offset of "DICM" in a DICOM file (PS3.10 7.1)."""

START_BYTES = 65_536
"""In most images the pixel data begin before this offset."""
_PIXEL_DATA = BaseTag(0x7FE00010)

_MALFORMED = (
    InvalidDicomError, BytesLengthException, EOFError, ValueError, TypeError, LookupError, AttributeError,
    OverflowError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""Exceptions of pydicom for truncated or invalid data sets, including unknown VRs.

Not MemoryError: reads are limited to the size of the file (`CountedReads`), so it is the machine's."""

_BROKEN = "not readable: expected a DICOM data set, found a broken one: it breaks off, or holds no elements"

StopWhen = Callable[[BaseTag, str | None, int], bool]


class DatasetRefused(Refused):
    """A file that cannot be read as a DICOM object; `refusal` is sent as Error Comment."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.refusal = Refusal(Reason.UNREADABLE_PIXELS, text)


def read_dataset(path: Path | str) -> Dataset:
    """Read a file up to the end of its pixels; raises DatasetRefused with what was expected and found.

    Values that violate their VR are kept: half of all archives hold some. A file without preamble is read if
    it starts like a data set; elements after the pixels are ignored. Fragments are joined (see
    `encapsulated_frames`).
    """
    with Path(path).open("rb") as stream:
        dataset = _parse_whole(stream)
    _expect_identity(_header(dataset))
    _expect_whole_values(dataset)
    _expect_all_pixels(dataset)
    return dataset


def read_attributes(path: Path | str) -> Dataset:
    """Read all elements before the pixels, as the object builders need them; raises DatasetRefused."""
    dataset = _parse_file(Path(path), _at_pixels)
    _expect_identity(_header(dataset))
    return dataset


def read_header(source: Path | str | Dataset) -> ImageHeader:
    """Selection attributes of an instance, without its pixels; raises DatasetRefused.

    Takes about a millisecond, so that a listener may call it before its response.
    """
    header = _header(source) if isinstance(source, Dataset) else _header_of_file(Path(source))
    _expect_identity(header)
    return header


def transfer_syntax_of(path: Path | str) -> str:
    """Read in which transfer syntax a file of this node is written (PS3.10 7.1).

    Raises DatasetRefused for a file without meta information.
    """
    with _malformed_is_refused():
        return str(filereader.read_file_meta_info(path).TransferSyntaxUID)


def _header_of_file(path: Path) -> ImageHeader:
    """Parse the start of the file in memory, and the file itself where its pixels begin later.

    A parser calls tell() for each element, which is a system call on a file.
    """
    with path.open("rb") as file:
        start = BytesIO(file.read(START_BYTES))
        with suppress(DatasetRefused):  # e.g. a start that is cut off
            header = _header_of_stream(start)
            if header.has_pixels and header.transfer_syntax_uid != DeflatedExplicitVRLittleEndian:
                return header
        file.seek(0)
        return _header_of_stream(file)


def _header_of_stream(stream: BinaryIO) -> ImageHeader:
    reached: list[int] = []

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        if _at_pixels(tag, vr, length):
            reached.append(tag)
        return bool(reached)

    return _header(_parse(stream, stop, HEADER_TAGS)[0], has_pixels=bool(reached) or None)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in PIXEL_TAGS


def read_loosely(path: Path | str) -> Dataset:
    """Read a file for a comparison, even an incomplete one; DatasetRefused where it is no data set."""
    with Path(path).open("rb") as stream:
        return _parse_whole(stream)


def _parse_file(path: Path, stop: StopWhen) -> Dataset:
    with path.open("rb") as stream:
        return _parse(stream, stop)[0]


def _parse_whole(stream: BinaryIO) -> Dataset:
    """The data set with its pixels, read where the parser has stopped before them."""
    reached: list[tuple[BaseTag, str | None, int]] = []

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        if _at_pixels(tag, vr, length):
            reached.append((tag, vr, length))
        return bool(reached)

    dataset, rest = _parse(stream, stop, whole=True)
    for tag, vr, length in reached:
        if tag != _PIXEL_DATA:  # for float pixels presence is enough
            dataset.add_new(tag, "OF" if tag == FLOAT_PIXELS else "OD", b"")
            continue
        rest.seek(rest.tell() + (12 if vr in EXPLICIT_VR_LENGTH_32 else 8))
        with _malformed_is_refused():
            value, in_fragments = read_value(rest, length)
        dataset[tag] = DataElement(tag, "OB" if in_fragments or vr == "OB" else "OW", value)
        dataset[tag].is_undefined_length = in_fragments
    return dataset


def _parse(
    stream: BinaryIO, stop: StopWhen, tags: tuple[int, ...] = (), *, whole: bool = False
) -> tuple[Dataset, BinaryIO]:
    """The data set up to where `stop` holds, with these tags only where some are named, and what follows."""
    _tolerate_odd_values()
    _expect_dicom(stream)
    with _malformed_is_refused():
        plain, stated = plain_stream(stream, WHOLE_BYTES if whole else HEADER_BYTES, whole=whole)
        counted = cast("BinaryIO", CountedReads(plain))
        dataset = filereader.read_partial(counted, stop, force=True, specific_tags=list(tags) or None)
        if stated is not None:
            dataset.file_meta.TransferSyntaxUID = stated
        if not dataset.file_meta.get("TransferSyntaxUID"):
            dataset.file_meta.TransferSyntaxUID = _found_encoding(dataset)
        return dataset, counted


def _found_encoding(dataset: Dataset) -> UID:
    """The transfer syntax of a data set without meta information, from its elements."""
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _header(dataset: Dataset, *, has_pixels: bool | None = None) -> ImageHeader:
    with _malformed_is_refused():
        return header_of(dataset, has_pixels=has_pixels)


@contextmanager
def _malformed_is_refused() -> Iterator[None]:
    try:
        yield
    except TooMuchError as error:
        raise DatasetRefused(f"not readable: {error}") from error
    except CutOffError as error:
        raise DatasetRefused(f"truncated: {error}") from error
    except _MALFORMED as error:
        raise DatasetRefused(_BROKEN) from error
    except OSError as error:
        # pydicom raises it for a truncated sequence, and in place of the exception that interrupted it
        if any(isinstance(one, OSError) and one.errno is not None for one in _causes(error)):
            raise  # a disk fault: the file may be intact
        too_much = next((one for one in _causes(error) if isinstance(one, TooMuchError)), None)
        raise DatasetRefused(f"not readable: {too_much}" if too_much else _BROKEN) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


def _tolerate_odd_values() -> None:
    """Let this process read values that violate their VR; set on every read and never reset.

    pydicom's switch is global, so a block that restored it would race with the other threads.
    """
    config.settings.reading_validation_mode = config.IGNORE


def _expect_dicom(stream: BinaryIO) -> None:
    """Refuse a file without DICM prefix (PS3.10 7.1) that does not start like a data set; rewinds."""
    start = stream.read(MARKER_OFFSET + 4)
    stream.seek(0)
    if start[MARKER_OFFSET:] == b"DICM" or _starts_like_a_data_set(start):
        return
    found = "something else" if start else "an empty file"
    raise DatasetRefused(
        f"not DICOM: expected DICM at byte {MARKER_OFFSET} or a data set that starts with group 0002 or 0008,"
        f" found {found}"
    )


def _starts_like_a_data_set(start: bytes) -> bool:
    """The first element is of group 0002 or 0008, with a number and a length that can be."""
    if len(start) < 8:
        return False
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    elements = (struct.unpack(order + "HHL", start[:8]) for order in "<>")
    return any(
        group in (0x0002, 0x0008) and element <= 0x0100 and (explicit or length <= 1024)
        for group, element, length in elements
    )


def _expect_identity(header: ImageHeader) -> None:
    """Refuse an object without its identifying UIDs (type 1, PS3.3 C.12.1, C.7.2, C.7.3)."""
    wanted = {
        "SOP Class UID": header.sop_class_uid,
        "SOP Instance UID": header.sop_instance_uid,
        "Study Instance UID": header.study_instance_uid,
        "Series Instance UID": header.series_instance_uid,
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        raise DatasetRefused(f"incomplete DICOM object: expected {', '.join(missing)}, found none")


def _expect_whole_values(dataset: Dataset) -> None:
    """Refuse a data set that ends inside one of its values."""
    for element in dataset.values():
        if not isinstance(element, RawDataElement) or element.length == UNDEFINED_LENGTH:
            continue
        found = len(element.value or b"")
        if found < element.length:
            name = f"element {element.tag}"
            raise DatasetRefused(f"truncated: {name} expected {element.length} bytes, found {found}")


def _expect_all_pixels(dataset: Dataset) -> None:
    """Refuse native pixel data shorter than the header of the image requires."""
    element = dataset.get(_PIXEL_DATA)
    if element is None or element.is_undefined_length or is_codestream(element.value):
        return
    expected, found = _native_bytes(dataset), len(element.value)
    if found < expected:
        raise DatasetRefused(f"truncated: pixel data expected {expected} bytes, found {found}")


def _native_bytes(dataset: Dataset) -> int:
    """The least bytes of uncompressed pixel data (PS3.5 8.1.1), 0 where the header does not state it."""
    header = _header(dataset)
    try:
        samples, bits = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("BitsAllocated") or 0)
    except (TypeError, ValueError):
        return 0
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    if photometric.startswith("YBR_FULL_422"):
        samples = 2
    return header.rows * header.columns * header.frames * samples * bits // 8
