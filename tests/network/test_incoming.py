"""The folder of unacknowledged data sets."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from ra_node.errors import Fatal
from ra_node.network.incoming import IncomingFolder


def test_what_an_earlier_process_never_acknowledged_is_removed(tmp_path: Path):
    """After a crash in the middle of a transfer the peer still has the object and sends it again."""
    (tmp_path / "tmpabc123.dcm").write_bytes(b"half")
    (tmp_path / "other.dcm").write_bytes(b"not the listener's")
    folder = IncomingFolder(tmp_path)
    folder.take()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".listener", "other.dcm"]
    folder.leave()


def test_temporary_files_go_to_the_folder_while_it_is_owned(tmp_path: Path):
    """The library writes data sets where `tempfile` says; afterwards all is as before."""
    before = tempfile.gettempdir()
    folder = IncomingFolder(tmp_path / "new")
    folder.take()
    assert tempfile.gettempdir() == str(tmp_path / "new")
    folder.leave()
    folder.leave()
    assert tempfile.gettempdir() == before


def test_a_folder_has_one_owner(tmp_path: Path):
    """A second listener would delete the data sets that the first one is receiving."""
    first, second = IncomingFolder(tmp_path), IncomingFolder(tmp_path)
    first.take()
    (tmp_path / "tmprunning.dcm").write_bytes(b"half")
    with pytest.raises(Fatal, match="another listener"):
        second.take()
    assert (tmp_path / "tmprunning.dcm").exists()
    first.leave()
    second.take()
    second.leave()
