"""The folder of unacknowledged data sets."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest
from pynetdicom import dimse_messages

from ra_node.errors import Fatal
from ra_node.network.pynetdicom_ext.spool import CHUNK_BYTES, ArrivingFile, DataSetRefused, IncomingFolder


def test_what_an_earlier_process_never_acknowledged_is_removed(tmp_path: Path):
    """After a crash in the middle of a transfer the peer still has the object and sends it again."""
    (tmp_path / "arriving-abc.dcm").write_bytes(b"half")
    (tmp_path / "other.dcm").write_bytes(b"not the listener's")
    folder = IncomingFolder(tmp_path)
    folder.take()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".listener", "other.dcm"]
    folder.leave()


def test_the_library_receives_into_the_folder_while_it_is_owned(tmp_path: Path):
    """Afterwards all is as before."""
    before = dimse_messages.NamedTemporaryFile
    folder = IncomingFolder(tmp_path / "new")
    folder.take()
    arriving = dimse_messages.NamedTemporaryFile(delete=False, mode="wb", suffix=".dcm")
    assert Path(arriving.name).parent == tmp_path / "new"
    arriving.close()
    folder.leave()
    folder.leave()
    assert dimse_messages.NamedTemporaryFile is before


def test_a_file_that_cannot_be_made_notes_why(tmp_path: Path):
    """Writing goes on to nowhere, so that the rest of the transfer can be read and refused."""
    arriving = ArrivingFile(tmp_path / "missing", lambda: True)
    arriving.write(b"data")
    arriving.file.flush()
    arriving.close()
    assert isinstance(arriving.failure, FileNotFoundError)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """What was handed to the system: the lengths of the parts of each write."""
    seen: list[list[int]] = []
    write = os.writev

    def counted(handle: int, parts: list[memoryview]) -> int:
        seen.append([len(part) for part in parts])
        return write(handle, parts)

    monkeypatch.setattr(os, "writev", counted)
    return seen


def received(arriving: ArrivingFile, data: bytes, most_bytes: int) -> None:
    """Let it come in parts that end where a chunk ends, as a stream does."""
    at = 0
    while at < len(data):
        part = data[at : at + min(arriving.room(), most_bytes)]
        arriving.add_received(memoryview(part))
        at += len(part)
    arriving.flush()
    arriving.close()


def test_a_file_is_written_in_whole_chunks_until_it_is_flushed(tmp_path: Path, writes: list[list[int]]):
    """Writes that begin and end at multiples of a chunk; what the library writes between them included."""
    arriving = ArrivingFile(tmp_path, lambda: True)
    sent = random.Random(0).randbytes(2 * CHUNK_BYTES + 5000)
    arriving.write(sent[:300])
    received(arriving, sent[300:], 100_000)
    assert [sum(parts) for parts in writes] == [CHUNK_BYTES, CHUNK_BYTES, 5000]
    assert Path(arriving.name).read_bytes() == sent
    assert not arriving.gathers


@pytest.mark.parametrize("most_bytes", [1000, 70_000, CHUNK_BYTES])
def test_the_digest_is_that_of_all_that_came(tmp_path: Path, most_bytes: int):
    """Of the bytes received, in whatever parts: what the disk makes of them later shows against it."""
    arriving = ArrivingFile(tmp_path, lambda: True)
    sent = random.Random(0).randbytes(2 * CHUNK_BYTES + 5000)
    arriving.write(sent[:300])
    received(arriving, sent[300:], most_bytes)
    Path(arriving.name).write_bytes(b"rot")
    assert arriving.sha256 == hashlib.sha256(sent).hexdigest()


def test_a_file_of_countless_parts_is_written_in_as_many_as_the_system_takes(
    tmp_path: Path, writes: list[list[int]]
):
    """The system takes 1024 at once; a peer may send a data set byte by byte."""
    arriving = ArrivingFile(tmp_path, lambda: True)
    sent = random.Random(0).randbytes(5_000)
    received(arriving, sent, 1)
    assert max(map(len, writes)) <= os.sysconf("SC_IOV_MAX")
    assert len(writes) <= 10
    assert Path(arriving.name).read_bytes() == sent


def test_what_the_system_did_not_write_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A disk that fills up, or a signal, ends a write in the middle of a part."""
    write = os.writev
    monkeypatch.setattr(os, "writev", lambda handle, parts: write(handle, [b"".join(parts)[:7]]))
    arriving = ArrivingFile(tmp_path, lambda: True)
    sent = random.Random(0).randbytes(100)
    received(arriving, sent, 5)
    assert Path(arriving.name).read_bytes() == sent


def test_a_file_takes_no_more_than_it_may(tmp_path: Path):
    """What comes after that goes to nowhere, and nothing is left behind or held."""
    arriving = ArrivingFile(tmp_path, lambda: True, most_bytes=CHUNK_BYTES + 1)
    for _ in range(3):
        arriving.add_received(memoryview(bytes(arriving.room())))
    assert isinstance(arriving.failure, DataSetRefused)
    assert not arriving.gathers
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_one_owner(tmp_path: Path):
    """A second listener would delete the data sets that the first one is receiving."""
    first, second = IncomingFolder(tmp_path), IncomingFolder(tmp_path)
    first.take()
    (tmp_path / "arriving-now.dcm").write_bytes(b"half")
    with pytest.raises(Fatal, match="another listener"):
        second.take()
    assert (tmp_path / "arriving-now.dcm").exists()
    first.leave()
    second.take()
    second.leave()


def test_a_folder_that_cannot_be_made_is_fatal(tmp_path: Path):
    """Nobody but an operator can mend it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Fatal, match="expected a folder"):
        IncomingFolder(tmp_path / "file" / "incoming").take()
