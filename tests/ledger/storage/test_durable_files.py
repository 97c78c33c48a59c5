"""A kept file is on the disk, whole, under a name that owes nothing to a peer."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ra_node.ledger.storage.durable_files import Files


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "data")


@pytest.fixture
def calls(monkeypatch):
    """What is synced and renamed, in order, as (call, path)."""
    done = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(handle):
        done.append(("fsync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        fsync(handle)

    def note_rename(source, target, **more):
        done.append(("rename", str(target)))
        rename(source, target, **more)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    return done


def incoming(files, content=b"image"):
    path = files.incoming()
    path.write_bytes(content)
    return path


def test_a_file_is_synced_moved_and_its_folder_synced_in_this_order(files, calls):
    """Otherwise a power cut could leave an empty file, or none, behind a Success."""
    temporary = incoming(files)
    kept = files.path(files.keep(temporary, "inbox/2026-11-23"))
    last = [("fsync", str(temporary)), ("rename", str(kept)), ("fsync", str(kept.parent))]
    assert calls[-3:] == last
    before = [path for call, path in calls[:-3] if call == "fsync"]
    for folder in (kept.parent.parent, kept.parent.parent.parent):
        assert str(folder) in before, "a new folder must itself be on the disk"


def test_a_kept_file_is_whole_and_has_left_the_incoming_folder(files):
    """Moved, not copied."""
    temporary = incoming(files)
    kept = files.keep(temporary, "inbox")
    assert files.path(kept).read_bytes() == b"image"
    assert not temporary.exists()


def test_files_and_folders_are_private(files):
    """0600 and 0700, whatever the umask of the service."""
    temporary = incoming(files)
    temporary.chmod(0o666)
    kept = files.path(files.keep(temporary, "inbox/2026-11-23"))
    assert kept.stat().st_mode & 0o777 == 0o600
    for folder in (kept.parent, kept.parent.parent, files.data_dir, files.incoming().parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_name_is_never_used_twice(files):
    """Two peers, one name: nobody's image is overwritten."""
    kept = {files.keep(incoming(files), "inbox") for _ in range(20)}
    assert len(kept) == 20
    assert all(name.startswith("inbox/") and name.endswith(".dcm") for name in kept)


def test_what_cannot_be_kept_is_an_error_and_stays_where_it_was(files, monkeypatch):
    """A full disk refuses the instance; it never half keeps it."""
    temporary = incoming(files)

    def full(_handle):
        raise OSError(28, "No space left on device")

    files.keep(incoming(files), "inbox")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.keep(temporary, "inbox")
    assert temporary.exists()
    assert len(list(files.path("inbox").iterdir())) == 1


@pytest.mark.parametrize("content", [b"picture", lambda path: path.write_bytes(b"picture")])
def test_a_written_file_is_durable_too(files, content):
    """Bytes or a function that writes to a path."""
    kept = files.write(content, "results", ".png")
    assert kept.startswith("results/")
    assert kept.endswith(".png")
    assert files.path(kept).read_bytes() == b"picture"


def test_a_file_that_could_not_be_written_leaves_nothing(files):
    """No half SR waits to be sent."""

    def break_down(path):
        path.write_bytes(b"half")
        raise ValueError("no more pixels")

    with pytest.raises(ValueError, match="no more pixels"):
        files.write(break_down, "results", ".dcm")
    assert [path for path in files.data_dir.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("outside", ["/etc/passwd", "../secret", "inbox/../../secret"])
def test_no_path_leads_out_of_the_data_folder(files, outside):
    """Even a damaged row cannot make the node read or remove other files."""
    with pytest.raises(ValueError, match="below the data folder"):
        files.path(outside)


def test_removing_twice_is_harmless(files):
    """The sweep and the purge may meet."""
    kept = files.keep(incoming(files), "inbox")
    assert files.remove(kept)
    assert not files.remove(kept)


def test_only_old_files_without_a_row_are_unknown(files):
    """A young file may be about to get its row; the ledger and other files are never looked at."""
    known, orphan, young = (files.keep(incoming(files), "inbox/2026-11-23") for _ in range(3))
    half = incoming(files)
    other = files.data_dir / "ledger.sqlite"
    other.write_bytes(b"")
    for path in (files.path(known), files.path(orphan), half, other):
        os.utime(path, (1000, 1000))
    os.utime(files.path(young), (3000, 3000))
    found = list(files.unknown_files({known}, 2000))
    assert sorted(found) == sorted([orphan, half.relative_to(files.data_dir).as_posix()])


def test_sweeping_an_empty_node_finds_nothing(files):
    """Before the first image there is not even a folder."""
    assert list(files.unknown_files(set(), 2000)) == []


def test_many_threads_may_make_the_first_folder_of_a_day(files):
    """At midnight every association needs it at once."""
    barrier = threading.Barrier(8)
    kept = []

    def keep():
        temporary = incoming(files)
        barrier.wait(120)
        kept.append(files.keep(temporary, "inbox/2026-11-24"))

    threads = [threading.Thread(target=keep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(set(kept)) == 8
    assert all(files.path(name).exists() for name in kept)


def test_a_folder_that_was_removed_is_made_again(files):
    """An operator who tidies by hand does not stop the node."""
    kept = files.path(files.keep(incoming(files), "inbox/2026-11-23"))
    kept.unlink()
    kept.parent.rmdir()
    assert files.path(files.keep(incoming(files), "inbox/2026-11-23")).exists()


def test_the_lock_of_a_listener_is_never_swept(files):
    """Without its file a second listener could take the incoming folder of the first."""
    lock = incoming(files).with_name(".listener")
    lock.touch()
    os.utime(lock, (1000, 1000))
    assert ".listener" not in "".join(files.unknown_files(set(), 2000))
