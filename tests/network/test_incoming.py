"""The folder of unacknowledged data sets."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from pynetdicom import dimse_messages

from ra_node.errors import Fatal
from ra_node.network.incoming import CHUNK_BYTES, ArrivingFile, IncomingFolder, TooLong


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


def test_a_file_is_written_in_whole_chunks_until_it_is_flushed(tmp_path: Path, monkeypatch):
    """Writes that begin and end at multiples of a chunk; what the library writes between them included."""
    writes: list[int] = []
    write = os.write

    def counted(handle: int, data: memoryview) -> int:
        writes.append(len(data))
        return write(handle, data)

    monkeypatch.setattr(os, "write", counted)
    arriving = ArrivingFile(tmp_path, lambda: True)
    sent = random.Random(0).randbytes(2 * CHUNK_BYTES + 5000)
    arriving.write(sent[:300])
    at = 300
    while at < len(sent):
        room = arriving.room()[: len(sent) - at][:100_000]
        room[:] = sent[at : at + len(room)]
        arriving.took(len(room))
        at += len(room)
    arriving.flush()
    arriving.close()
    assert writes == [300, CHUNK_BYTES - 300, CHUNK_BYTES, 5000]
    assert Path(arriving.name).read_bytes() == sent


def test_a_file_takes_no_more_than_it_may(tmp_path: Path):
    """What comes after that goes to nowhere, and nothing is left behind."""
    arriving = ArrivingFile(tmp_path, lambda: True, most_bytes=CHUNK_BYTES + 1)
    for _ in range(3):
        arriving.took(len(arriving.room()))
    assert isinstance(arriving.failure, TooLong)
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
