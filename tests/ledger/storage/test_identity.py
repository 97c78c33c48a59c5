"""A data folder and a ledger are bound once, and every way in which they can fall apart is told."""

from __future__ import annotations

import shutil
import threading

import pytest

from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.engine import LedgerMissing, open_ledger
from ra_node.ledger.database.events import record
from ra_node.ledger.storage.durable_files import FOLDERS, INNER_MARK, Files, FolderUnavailable
from ra_node.ledger.storage.identity import (
    IDENTITY,
    MARK,
    adopt,
    bind,
    has_history,
    keep_mark,
    ledger_identity,
    problem_of,
    tell,
)
from tests.ledger.builders import keep


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return Files(folder)


@pytest.fixture
def bound(ledger, files):
    assert bind(ledger, files) == ""
    return Files(files.data_dir, ledger_identity(ledger))


def received(ledger, files, uid):
    path = files.write(b"an image", "inbox/2026-11-23", ".dcm")
    keep(ledger, uid, path=path)
    return files.path(path)


def forge_mark(files, **changes):
    """A mark of a ledger that went on from here in another way: events of the real one cannot be removed."""
    identity, number, at = (files.data_dir / MARK).read_text().split()
    told = {"number": number, "at": at, **changes}
    (files.data_dir / MARK).write_text(f"{identity} {told['number']} {told['at']}\n")


def test_a_new_pair_is_bound_once_and_privately(ledger, files):
    assert bind(ledger, files) == ""
    identity = ledger_identity(ledger)
    assert len(identity) == 32
    for place in (IDENTITY, *(f"{folder}/{INNER_MARK}" for folder in FOLDERS)):
        assert (files.data_dir / place).read_text().strip() == identity
        assert (files.data_dir / place).stat().st_mode & 0o777 == 0o600
    assert bind(ledger, files) == ""
    assert ledger_identity(ledger) == identity


def test_those_who_bind_at_the_same_time_agree(ledger, files):
    found = []
    threads = [threading.Thread(target=lambda: found.append(bind(ledger, files))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [""] * 8


def test_what_an_earlier_version_left_is_adopted(ledger, files):
    """Files and rows agree, and neither side has an identity yet."""
    for number in range(3):
        received(ledger, files, f"1.2.{number}")
    files.write(b"left by a crash", "inbox/2026-11-23", ".dcm")
    assert bind(ledger, files) == ""


def test_an_empty_ledger_over_files_is_not_theirs(ledger, files):
    files.write(b"an image", "inbox/2026-11-23", ".dcm")
    assert "found an empty one" in bind(ledger, files)
    assert ledger_identity(ledger) is None
    assert not (files.data_dir / IDENTITY).exists()


def test_a_full_ledger_over_an_empty_folder_is_not_its_own(ledger, files):
    path = received(ledger, files, "1.2.3")
    path.unlink()
    assert "expected the 1 files that the ledger names" in bind(ledger, files)


@pytest.mark.parametrize("place", [IDENTITY, *(f"{folder}/{INNER_MARK}" for folder in FOLDERS)])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"a b", b"another\n"])
def test_every_part_of_the_folder_must_carry_the_identity(ledger, bound, place, content):
    path = bound.data_dir / place
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert str(path) in problem_of(ledger, bound)


def test_nothing_is_kept_in_a_folder_without_the_identity(ledger, bound):
    assert bound.write(b"an image", "inbox/2026-11-23", ".dcm")
    shutil.rmtree(bound.data_dir / "inbox")
    with pytest.raises(FolderUnavailable, match="found none"):
        bound.write(b"an image", "inbox/2026-11-23", ".dcm")
    assert not (bound.data_dir / "inbox").exists()
    assert bound.write(b"a result", "results/2026-11-23", ".dcm")


def test_an_unmounted_folder_is_not_filled(ledger, bound):
    bound.data_dir.rename(bound.data_dir.with_name("away"))
    bound.data_dir.mkdir()
    with pytest.raises(FolderUnavailable):
        bound.write(b"an image", "inbox/2026-11-23", ".dcm")
    assert list(bound.data_dir.iterdir()) == []


def test_a_symbolic_link_to_the_folder_is_the_folder(ledger, bound):
    link = bound.data_dir.with_name("link")
    link.symlink_to(bound.data_dir)
    assert problem_of(ledger, Files(link)) == ""


def test_a_ledger_that_has_lost_what_the_folder_saw_is_older(ledger, bound):
    record(ledger, "first")
    keep_mark(ledger, bound)
    assert problem_of(ledger, bound) == ""
    record(ledger, "second")
    assert problem_of(ledger, bound) == ""
    forge_mark(bound, number=100)
    assert "found an older ledger" in problem_of(ledger, bound)


def test_the_same_number_of_another_event_is_another_history(ledger, bound, clock):
    """Restored, and then grown past the mark by other events."""
    record(ledger, "first")
    keep_mark(ledger, bound)
    forge_mark(bound, at=clock() + 1)
    assert "found an older ledger" in problem_of(ledger, bound)


@pytest.mark.parametrize("content", ["", "x", "a b c", "a 1"])
def test_a_mark_that_cannot_be_read_proves_nothing(ledger, bound, content):
    (bound.data_dir / MARK).write_text(content)
    assert problem_of(ledger, bound) == ""


def test_adopting_ends_every_problem_and_keeps_the_ledgers_identity(ledger, bound):
    identity = ledger_identity(ledger)
    record(ledger, "first")
    keep_mark(ledger, bound)
    forge_mark(bound, number=100)
    (bound.data_dir / IDENTITY).write_text("another\n")
    shutil.rmtree(bound.data_dir / "previews")
    adopt(ledger, Files(bound.data_dir))
    assert problem_of(ledger, bound) == ""
    assert ledger_identity(ledger) == identity


def test_the_alarm_has_the_newest_words_and_ends(ledger, bound):
    tell(ledger, "host", "first")
    tell(ledger, "host", "first")
    tell(ledger, "host", "second")
    tell(ledger, "other host", "theirs")
    assert {(one.kind, one.subject, one.detail) for one in alarms(ledger)} == {
        (AlarmKind.IDENTITY, "host", "second"),
        (AlarmKind.IDENTITY, "other host", "theirs"),
    }
    tell(ledger, "host", "")
    assert [one.subject for one in alarms(ledger)] == ["other host"]


def test_an_empty_folder_has_no_history_and_one_with_a_mark_has(ledger, bound):
    assert not has_history(bound)
    record(ledger, "first")
    keep_mark(ledger, bound)
    assert has_history(bound)


def test_no_ledger_is_made_where_there_was_one(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger"
    with pytest.raises(LedgerMissing, match="found none"):
        open_ledger(url, may_create=False)
    (tmp_path / "ledger-wal").write_bytes(b"frames")
    with pytest.raises(LedgerMissing, match="beside its journal"):
        open_ledger(url)
    assert not (tmp_path / "ledger").exists()
