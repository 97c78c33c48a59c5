"""A file is whole under its name, and on the disk, or not there at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ra_node.filesystem.durable_write import move_durably, write_atomically


@pytest.fixture
def calls(monkeypatch):
    """What is synced, renamed and linked, in order, as (call, name)."""
    done = []
    fsync, rename, link = os.fsync, os.rename, os.link

    def note_fsync(handle):
        done.append(("fsync", Path(f"/proc/self/fd/{handle}").readlink().name.partition(".new")[0]))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", lambda a, b: (done.append(("rename", Path(b).name)), rename(a, b)))
    monkeypatch.setattr(os, "link", lambda a, b: (done.append(("link", Path(b).name)), link(a, b)))
    return done


@pytest.mark.parametrize(("replace", "naming"), [(True, "rename"), (False, "link")])
def test_the_file_is_synced_before_it_gets_its_name_and_the_folder_after(tmp_path, calls, replace, naming):
    """The other order leaves an empty file, or none, after a power cut."""
    path = tmp_path / "key"
    write_atomically(path, b"whole", replace=replace, temporary=tmp_path / "key.new")
    assert calls == [("fsync", "key"), (naming, "key"), ("fsync", tmp_path.name)]
    assert path.read_bytes() == b"whole"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_a_finished_file_is_moved_in_the_same_order(tmp_path, calls):
    (tmp_path / "table.new").write_bytes(b"rows")
    move_durably(tmp_path / "table.new", tmp_path / "table", 0o600)
    assert calls == [("fsync", "table"), ("rename", "table"), ("fsync", tmp_path.name)]
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o600


def test_without_replace_the_first_writer_wins(tmp_path):
    """Hosts that share a folder agree on one identity and one secret."""
    path = tmp_path / "identity"
    write_atomically(path, b"first", replace=False)
    write_atomically(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_nobody_else_may_read_it_unless_the_mode_says_so(tmp_path, mode):
    mask = os.umask(0o022)
    try:
        write_atomically(tmp_path / "file", b"", mode=mode)
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode & ~0o022


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_leaves_the_file_of_before_and_nothing_else(tmp_path, monkeypatch, number):
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail(_handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_half_way_leaves_nothing(tmp_path):
    def half(file):
        file.write(b"half")
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        write_atomically(tmp_path / "file", half)
    assert not list(tmp_path.iterdir())


def test_a_link_in_the_place_of_the_unfinished_file_is_not_followed(tmp_path):
    """Nobody makes the node overwrite a file elsewhere."""
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "file.new").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(tmp_path / "file", b"mine", temporary=tmp_path / "file.new")
    assert (tmp_path / "other").read_bytes() == b"other"
