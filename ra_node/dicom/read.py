"""Reads DICOM files as they come, and says clearly why one cannot be read.

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
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ra_node.dicom.bounded import HEADER_BYTES, WHOLE_BYTES, CountedReads, TooMuchError, inflated
from ra_node.dicom.header import HEADER_TAGS, PIXEL_TAGS, header_of
from ra_node.domain.report import Reason, Refusal
from ra_node.domain.study import ImageHeader
from ra_node.errors import Refused

MARKER_OFFSET = 128
"""Where "DICM" stands in a DICOM file (PS3.10 7.1)."""

START_BYTES = 65_536
"""Most images begin their pixels before."""
_UNDEFINED_LENGTH = 0xFFFFFFFF

_MALFORMED = (
    InvalidDicomError, BytesLengthException, EOFError, ValueError, TypeError, LookupError, AttributeError,
    OverflowError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What pydicom lets through for data sets that break off or are no data sets, unknown VRs included.

No MemoryError: no more is asked for than the file has (`CountedReads`), so it is the machine's."""

StopWhen = Callable[[BaseTag, str | None, int], bool]


class DatasetRefused(Refused):
    """A file that cannot be read as a DICOM object; `refusal` is what the sender is told."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.refusal = Refusal(Reason.UNREADABLE_PIXELS, text)


def read_dataset(path: Path | str) -> Dataset:
    """Read a whole file; raises DatasetRefused with what was expected and found.

    Values that break the rules of their VR are kept as they are: half of all archives hold some.
    A file without preamble is read when it starts like a data set.
    """
    seen: set[int] = set()

    def watch(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        seen.add(tag)
        return False

    dataset = _parse_file(Path(path), watch, whole=True)
    if (seen & PIXEL_TAGS) - set(dataset.keys()):
        raise DatasetRefused("truncated: expected the end of the pixel data, found the end of the file")
    _expect_identity(_header(dataset))
    _expect_whole_values(dataset)
    _expect_all_pixels(dataset)
    return dataset


def read_attributes(path: Path | str) -> Dataset:
    """Read everything before the pixels, as the makers of results need it; raises DatasetRefused."""
    dataset = _parse_file(Path(path), _at_pixels)
    _expect_identity(_header(dataset))
    return dataset


def read_header(source: Path | str | Dataset) -> ImageHeader:
    """What selection needs to know of an instance, without its pixels; raises DatasetRefused.

    Takes about a millisecond, so that a listener may call it before it answers.
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

    A parser asks a file where it stands for each element, which is a call to the system.
    """
    with path.open("rb") as file:
        start = BytesIO(file.read(START_BYTES))
        with suppress(DatasetRefused):  # of a start that breaks off, for one
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

    return _header(_parse(stream, stop, HEADER_TAGS), has_pixels=bool(reached) or None)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in PIXEL_TAGS


def read_loosely(path: Path | str) -> Dataset:
    """Read a whole file for a comparison, whatever it lacks; DatasetRefused where it is no data set."""
    return _parse_file(Path(path), lambda _tag, _vr, _length: False, whole=True)


def _parse_file(path: Path, stop: StopWhen, *, whole: bool = False) -> Dataset:
    with path.open("rb") as stream:
        return _parse(stream, stop, whole=whole)


def _parse(stream: BinaryIO, stop: StopWhen, tags: tuple[int, ...] = (), *, whole: bool = False) -> Dataset:
    """The data set up to where `stop` holds, with these tags only where some are named."""
    _tolerate_odd_values()
    _expect_dicom(stream)
    with _malformed_is_refused():
        plain, was_deflated = inflated(stream, WHOLE_BYTES if whole else HEADER_BYTES, whole=whole)
        counted = cast("BinaryIO", CountedReads(plain))
        dataset = filereader.read_partial(counted, stop, force=True, specific_tags=list(tags) or None)
        if was_deflated:
            dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        return dataset


def _header(dataset: Dataset, *, has_pixels: bool | None = None) -> ImageHeader:
    with _malformed_is_refused():
        return header_of(dataset, has_pixels=has_pixels)


@contextmanager
def _malformed_is_refused() -> Iterator[None]:
    try:
        yield
    except TooMuchError as error:
        raise DatasetRefused(f"not readable: {error}") from error
    except _MALFORMED as error:
        raise _broken(error) from error
    except OSError as error:
        # pydicom raises it for a sequence that breaks off, and in the place of whatever stopped it there
        if any(isinstance(one, OSError) and one.errno is not None for one in _causes(error)):
            raise  # the disk: the file may well be whole
        too_much = next((one for one in _causes(error) if isinstance(one, TooMuchError)), None)
        raise DatasetRefused(f"not readable: {too_much}") if too_much else _broken(error) from error


def _broken(error: Exception) -> DatasetRefused:
    return DatasetRefused(
        f"not readable: expected a DICOM data set, found a broken one ({type(error).__name__})"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


def _tolerate_odd_values() -> None:
    """Let this process read values that break their VR; set on every read and never taken back.

    pydicom's switch is global, so a block that restored it would race with the other threads.
    """
    config.settings.reading_validation_mode = config.IGNORE


def _expect_dicom(stream: BinaryIO) -> None:
    """Refuse what neither has the DICM prefix (PS3.10 7.1) nor starts like a data set; rewinds."""
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
    """Refuse an object that does not say what it is (type 1 everywhere, PS3.3 C.12.1, C.7.2, C.7.3)."""
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
        if not isinstance(element, RawDataElement) or element.length == _UNDEFINED_LENGTH:
            continue
        found = len(element.value or b"")
        if found < element.length:
            name = "pixel data" if element.tag in PIXEL_TAGS else f"element {element.tag}"
            raise DatasetRefused(f"truncated: {name} expected {element.length} bytes, found {found}")


def _expect_all_pixels(dataset: Dataset) -> None:
    """Refuse native pixel data shorter than the header of the image promises."""
    element = dataset.get_item(BaseTag(0x7FE00010)) if "PixelData" in dataset else None
    if element is None or getattr(element, "length", 0) == _UNDEFINED_LENGTH:
        return
    expected, found = _native_bytes(dataset), len(element.value or b"")
    if found < expected:
        raise DatasetRefused(f"truncated: pixel data expected {expected} bytes, found {found}")


def _native_bytes(dataset: Dataset) -> int:
    """The least bytes of uncompressed pixel data (PS3.5 8.1.1), 0 where the header does not say."""
    header = _header(dataset)
    try:
        samples, bits = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("BitsAllocated") or 0)
    except (TypeError, ValueError):
        return 0
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    if photometric.startswith("YBR_FULL_422"):
        samples = 2
    return header.rows * header.columns * header.frames * samples * bits // 8
