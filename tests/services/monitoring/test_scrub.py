"""A check of all kept files finds every one that is not as it was received or made, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from ra_node.domain.job import JobKind
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database import schema
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.storage.kept_files import FileKind, named_value
from ra_node.services.monitoring.scrub import MOST_MISSING, PASS_S, Scrubber
from ra_node.services.reporting.answer import Destination
from ra_node.services.reporting.rebuild import Rebuilder
from tests.dicom.builders import PRODUCER, image_uid, source
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
BIG = 2**40


@pytest.fixture
def answered(bench):
    bench.keep(source())
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))
    return bench


def scrubber(bench):
    return Scrubber(bench.ledger, bench.files)


def file_in(bench, folder: str) -> Path:
    return min(path for path in (bench.folder / folder).rglob("*") if path.is_file())


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def raised(bench):
    return [one.subject for one in alarms(bench.ledger) if one.kind is AlarmKind.CONTENT]


def test_whole_files_are_no_problem(answered):
    done = scrubber(answered).scrub()
    assert (done.files, done.problems, done.without_sha256) == (5, [], 0)
    assert raised(answered) == []


@pytest.mark.parametrize("damage", [flip_a_bit, Path.unlink])
@pytest.mark.parametrize(
    ("folder", "kind"),
    [("inbox", FileKind.IMAGE), ("previews", FileKind.PREVIEW), ("results", FileKind.RESULT)],
)
def test_every_kind_of_file_is_checked(answered, folder, kind, damage):
    path = file_in(answered, folder)
    damage(path)
    (problem,) = scrubber(answered).scrub().problems
    assert (problem.kind, problem.path) == (kind, path.relative_to(answered.folder).as_posix())
    assert problem.found == ("missing" if damage is Path.unlink else "differs")
    assert len(raised(answered)) == (kind is not FileKind.PREVIEW)


def test_a_file_that_is_whole_again_ends_its_alarm(answered):
    path = file_in(answered, "inbox")
    flip_a_bit(path)
    scrubber(answered).scrub()
    assert raised(answered) == [image_uid(1)]
    flip_a_bit(path)
    scrubber(answered).scrub()
    assert raised(answered) == []


def test_an_image_that_was_answered_as_damaged_is_examined_when_it_is_whole_again(bench):
    """The administrator has put the file back from a copy: a new version follows."""
    bench.keep(source())
    path = file_in(bench, "inbox")
    flip_a_bit(path)
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", (ObjectKind.SR,)))
    flip_a_bit(path)
    scrubber(bench).scrub()
    assert len(bench.claim(JobKind.EXAMINE)) == 1
    assert bench.settle() == [(STUDY, 2)]


def test_a_damaged_result_is_made_again(answered):
    path = file_in(answered, "results")
    as_made = path.read_bytes()
    flip_a_bit(path)
    rebuild = Rebuilder(answered.ledger, answered.files, PRODUCER).rebuild
    (problem,) = Scrubber(answered.ledger, answered.files, rebuild).scrub().problems
    assert problem.mended
    assert as_made in [one.read_bytes() for one in (answered.folder / "results").iterdir()]
    assert raised(answered) == []
    assert scrubber(answered).scrub().problems == []


def test_a_purged_file_has_no_alarm(answered):
    flip_a_bit(file_in(answered, "inbox"))
    scrubber(answered).scrub()
    with answered.ledger.write() as connection:
        connection.execute(update(schema.instance).values(path=None, preview_path=None))
    scrubber(answered).scrub()
    assert raised(answered) == []


def test_files_of_an_older_version_are_counted_and_no_mismatch(answered):
    with answered.ledger.write() as connection:
        connection.execute(update(schema.instance).values(sha256=None, preview_sha256=None))
    flip_a_bit(file_in(answered, "inbox"))
    done = scrubber(answered).scrub()
    assert (done.problems, done.without_sha256) == ([], 2)


def test_a_folder_that_is_not_there_is_one_alarm_and_no_progress(bench):
    """An unmounted disk is not a thousand damaged files."""
    for number in range(MOST_MISSING + 1):
        image = source(SOPInstanceUID=image_uid(number + 1))
        image.file_meta.MediaStorageSOPInstanceUID = image_uid(number + 1)
        bench.keep(image)
    inbox = bench.folder / "inbox"
    inbox.rename(bench.folder / "away")
    slow = scrubber(bench)
    slow.step(BIG)
    assert raised(bench) == [""]
    (bench.folder / "away").rename(inbox)
    slow.step(BIG)
    assert raised(bench) == []


def test_a_slow_pass_goes_on_where_it_was_also_in_another_process(answered):
    """One file a step, each of them once; then a day of rest."""
    seen = []
    for _ in range(5):
        one = scrubber(answered)
        look = one._look
        one._look = lambda file, done, look=look: (seen.append(file.path), look(file, done))
        one.step(1)
    assert len(set(seen)) == len(seen) == 5
    scrubber(answered).step(1)
    assert named_value(answered.ledger, "scrub.place") == ""
    flip_a_bit(file_in(answered, "inbox"))
    scrubber(answered).step(BIG)
    assert raised(answered) == []
    answered.clock.advance(PASS_S)
    scrubber(answered).step(BIG)
    assert raised(answered) == [image_uid(1)]


def test_a_large_file_is_paid_for_by_the_steps_after_it(answered):
    """So many bytes a minute on average, whatever the size of a file."""
    slow = scrubber(answered)
    slow.step(1000)
    place = named_value(answered.ledger, "scrub.place")
    (image,) = instances_of(answered.ledger, STUDY)
    steps = image.size_bytes // 1000 - 1
    assert steps > 2
    for _ in range(steps):
        slow.step(1000)
    assert named_value(answered.ledger, "scrub.place") == place
    slow.step(1000)
    assert named_value(answered.ledger, "scrub.place") != place


def test_a_clock_that_was_ahead_does_not_hold_up_the_next_pass(answered):
    slow = scrubber(answered)
    answered.clock.advance(40 * PASS_S)
    slow.step(BIG)
    answered.clock.advance(-40 * PASS_S)
    flip_a_bit(file_in(answered, "inbox"))
    slow.step(BIG)
    assert raised(answered) == [image_uid(1)]
