"""Every study of an archive is answered once, however often the run is stopped, with the same bytes."""

from __future__ import annotations

import csv
import errno
import threading
from pathlib import Path

import pytest

from ra_node.errors import Refused, Retryable
from ra_node.services.archive_run import run as retrospect
from ra_node.services.archive_run.run import Watcher
from ra_node.services.archive_run.sources import RemoteStudies
from tests.services.runs import look, put, run_in


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "archive"
    for number in range(1, 5):
        put(folder / f"box{number % 2}", f"IM{number}", f"1.2.{number}")
    return folder


def table(out: Path) -> list[dict[str, str]]:
    with (out / "hands.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def content(out: Path) -> dict[str, bytes]:
    """Every file of the results but the journal, which tells how often the run began."""
    files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith("journal")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def go(out, *sources, limit=None, **changes):
    with run_in(out, *sources, **changes) as run:
        return run.go(limit)


def test_each_study_has_a_folder_and_each_hand_a_row(archive, tmp_path):
    out = tmp_path / "out"
    ran = go(out, archive)
    assert (ran.studies, ran.answered, ran.failed, ran.remaining) == (4, 4, 0, 0)
    rows = table(out)
    assert [row["study_uid"] for row in rows] == [f"1.2.{n}" for n in (2, 2, 4, 4, 1, 1, 3, 3)]
    assert {row["outcome"] for row in rows} == {"judged"}
    names = {
        "sr.dcm", "overlay.dcm", "overlay.png", "overlay-detail.dcm", "overlay-detail.png", "report.json",
        "report.txt",
    }  # fmt: skip
    assert {path.name for path in (out / "1.2.3").iterdir()} == names
    assert not list(out.glob(".*"))


def test_what_is_no_image_is_skipped_with_its_reason(archive, tmp_path):
    (archive / "notes.txt").write_text("no image " * 30)
    ran = go(tmp_path / "out", archive)
    last = table(tmp_path / "out")[-1]
    assert ran.failed == 0
    assert (last["outcome"], last["refusal"]) == ("skipped", "skipped_file")
    assert "not DICOM" in last["refusal_text"]
    assert last["file"] == str(archive / "notes.txt")


def test_a_named_file_that_is_no_image_counts_as_failed(tmp_path):
    bad = tmp_path / "bad.dcm"
    bad.write_text("no image " * 30)
    with run_in(tmp_path / "out", bad) as run:
        run.go()
        assert run.table.counts["unreadable_file"] == 1
    assert table(tmp_path / "out")[0]["outcome"] == "failed"


def test_a_copy_of_an_instance_counts_once_and_is_named(archive, tmp_path):
    copy = archive / "box1" / "copy of IM1"
    copy.write_bytes((archive / "box1" / "IM1").read_bytes())
    go(tmp_path / "out", archive)
    rows = [row for row in table(tmp_path / "out") if row["study_uid"] == "1.2.1"]
    assert [row["outcome"] for row in rows] == ["judged", "judged", "skipped"]
    assert rows[2]["refusal"] == "repeated_instance"


def test_the_results_are_not_part_of_an_archive_around_them(archive, tmp_path):
    go(archive / "results", archive)
    assert go(archive / "results", archive).studies == 4


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing after it runs but what frees memory."""


POINTS = [
    ("fsync_file", 1),
    ("fsync_folder", 3),
    ("_put", 2),
    ("finish", 1),
    ("finish", 2),
    ("append", 2),
    ("between", 2),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small archive, and the results of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    for number in (1, 2):
        put(folder / "archive", f"IM{number}", f"1.2.{number}")
    go(folder / "out", folder / "archive")
    return folder


@pytest.mark.parametrize(("point", "after"), POINTS)
def test_a_run_that_is_killed_anywhere_goes_on_and_ends_with_the_same_bytes(
    whole, tmp_path, monkeypatch, point, after
):
    out, archive = tmp_path / "out", whole / "archive"
    left = [after]

    def dies(*_words, **_names):
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    with (
        run_in(out, archive, between=dies if point == "between" else lambda: None) as run,
        monkeypatch.context() as patch,
    ):
        owner = {
            "fsync_file": retrospect,
            "fsync_folder": retrospect,
            "_put": retrospect.Run,
            "finish": type(run.journal),
            "append": type(run.table),
        }
        if point in owner:
            before = getattr(owner[point], point)

            def then(*words, **names):
                dies()
                return before(*words, **names)

            patch.setattr(owner[point], point, then)
        with pytest.raises(Killed):
            run.go()
    assert not (out / "hands.csv").exists()
    again: list[Path] = []

    def noticing(path, rules):
        again.append(path)
        return look(path, rules)

    ran = go(out, archive, look=noticing)
    assert ran.done_before + ran.answered == 2
    assert len(again) == ran.answered, "finished studies are not done again"
    assert content(out) == content(whole / "out")


def test_a_limit_ends_the_start_and_the_next_goes_on(archive, tmp_path):
    out = tmp_path / "out"
    first = go(out, archive, limit=3)
    assert (first.answered, first.remaining) == (3, 1)
    assert len(table(out)) == 6
    second = go(out, archive)
    assert (second.done_before, second.answered, second.remaining) == (3, 1, 0)
    assert len(table(out)) == 8


def test_an_image_that_comes_later_has_its_study_done_again(archive, tmp_path):
    out = tmp_path / "out"
    go(out, archive)
    put(archive / "late", "IM9", "1.2.3", number=2)
    ran = go(out, archive)
    assert (ran.done_before, ran.answered) == (3, 1)
    assert len({row["sop_uid"] for row in table(out) if row["study_uid"] == "1.2.3"}) == 2


def test_results_of_two_models_are_never_mixed(archive, tmp_path):
    go(tmp_path / "out", archive, limit=1)
    with pytest.raises(Refused, match=r"expected model bundle one.*found two"):
        go(tmp_path / "out", archive, facts={"model bundle": "two"})


def test_two_runs_do_not_work_in_one_folder(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("ra_node.services.archive_run.journal._PATIENCE_S", 0.05)
    with run_in(tmp_path / "out", archive), pytest.raises(Refused, match="no other run"):
        go(tmp_path / "out", archive)


def test_a_strange_image_is_answered_so_and_tried_again_at_the_next_start(archive, tmp_path):
    def strange(path, rules):
        if path.name == "IM3":
            raise ZeroDivisionError("a patient's name")
        return look(path, rules)

    ran = go(tmp_path / "out", archive, look=strange)
    assert (ran.answered, ran.failed) == (3, 1)
    (row,) = [row for row in table(tmp_path / "out") if row["study_uid"] == "1.2.3"]
    assert row["refusal"] == "analysis_failed"
    assert "ZeroDivisionError" in row["refusal_text"]
    assert "name" not in row["refusal_text"]
    assert go(tmp_path / "out", archive).answered == 1


def test_a_full_disk_ends_the_start_and_loses_nothing(archive, tmp_path):
    out = tmp_path / "out"

    def no_space(*_words, **_names):
        raise OSError(errno.ENOSPC, "No space left on device")

    with run_in(out, archive) as run, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ra_node.services.offline_analysis.save", no_space)
        with pytest.raises(Retryable, match="No space left"):
            run.go()
    assert go(out, archive).answered == 4


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.EMFILE, "too many"), RuntimeError("CUDA error: an illegal access")]
)
def test_an_ill_machine_ends_the_start_and_fails_no_study(archive, tmp_path, error):
    """Or every study after a broken GPU would be a failed one."""

    def ill(path, rules):
        if "IM3" in path.name:
            raise error
        return look(path, rules)

    with pytest.raises(Retryable, match="continues"):
        go(tmp_path / "out", archive, look=ill)
    ran = go(tmp_path / "out", archive)
    assert (ran.failed, ran.remaining) == (0, 0)
    assert {row["outcome"] for row in table(tmp_path / "out")} == {"judged"}


def test_one_file_with_io_errors_fails_its_study_alone(archive, tmp_path):
    def bad(path, rules):
        if "IM3" in path.name:
            raise OSError(errno.EIO, "I/O error")
        return look(path, rules)

    ran = go(tmp_path / "out", archive, look=bad)
    assert (ran.answered, ran.failed) == (3, 1)


def test_told_to_stop_it_ends_after_the_study_in_hand(archive, tmp_path):
    stop = threading.Event()
    ran = go(tmp_path / "out", archive, stop=stop, watcher=Watcher(finished=lambda _state: stop.set()))
    assert (ran.answered, ran.stopped) == (1, True)
    assert not (tmp_path / "out" / "hands.csv").exists()
    partial = (tmp_path / "out" / "hands.partial.csv").read_text(encoding="utf-8")
    assert partial.count("1.2.2,") == 2
    assert go(tmp_path / "out", archive).answered == 3


def test_told_to_stop_while_it_reads_headers_it_stops(archive, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Retryable, match="stopped before all files were seen"):
        go(tmp_path / "out", archive, stop=stop)
    assert go(tmp_path / "out", archive).answered == 4


def test_a_table_that_cannot_be_written_ends_the_start(archive, tmp_path):
    (tmp_path / "out" / "hands.partial.csv").mkdir(parents=True)
    with pytest.raises(Retryable, match="cannot write"):
        go(tmp_path / "out", archive)


def remote(tmp_path, fetch, *uids):
    return RemoteStudies(uids, fetch, tmp_path / "scratch", "pacs")


def test_studies_are_fetched_one_by_one_and_their_files_removed(tmp_path):
    seen: list[int] = []

    def fetch(uid, folder):
        seen.append(len(list(folder.parent.rglob("*.dcm"))))
        put(folder, "one.dcm", uid)

    ran = go(tmp_path / "out", archive=remote(tmp_path, fetch, "1.2.8", "1.2.9"))
    assert ran.answered == 2
    assert seen == [0, 3], "only the answers of the study before are there"
    assert not (tmp_path / "scratch").exists()


def test_a_study_that_the_archive_does_not_have_is_one_row_and_the_others_go_on(tmp_path):
    def fetch(uid, folder):
        if uid == "1.2.8":
            raise Refused("no such study")
        put(folder, "one.dcm", uid)

    ran = go(tmp_path / "out", archive=remote(tmp_path, fetch, "1.2.8", "1.2.9"))
    assert (ran.failed, ran.answered) == (1, 1)
    assert [row["refusal"] for row in table(tmp_path / "out")] == ["not_fetched", "", ""]


def test_an_archive_that_is_away_is_waited_for_and_then_the_start_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(retrospect, "FIRST_PAUSE_S", 0.01)
    asked: list[str] = []

    def fetch(uid, folder):
        asked.append(uid)
        if len(asked) < 4:
            raise Retryable("pacs is not reachable")
        put(folder, "one.dcm", uid)

    said: list[str] = []
    archive = remote(tmp_path, fetch, "1.2.8")
    with pytest.raises(Retryable, match="not reachable"):
        go(tmp_path / "out", archive=archive, patience_s=0.015, watcher=Watcher(waiting=said.append))
    assert asked == ["1.2.8"] * 3
    assert said == ["pacs is not reachable"] * 2
    assert go(tmp_path / "out", archive=archive).answered == 1


def test_half_a_study_is_not_analysed(tmp_path):
    def fetch(_uid, folder):
        put(folder, "other.dcm", "1.2.7")

    ran = go(tmp_path / "out", archive=remote(tmp_path, fetch, "1.2.8"))
    assert ran.failed == 1
    assert "another" in table(tmp_path / "out")[0]["refusal_text"]
