"""Files without a row are judged by kind and number, and an image is never removed."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from ra_node.errors import NodeError
from ra_node.imaging.preview import PREVIEW_SUFFIX
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.retention import Purgeable, known_paths, mark_purged, unfinished_purges
from ra_node.ledger.storage.durable_files import Files
from ra_node.ledger.storage.identity import bind, ledger_identity
from ra_node.services.retention.orphans import ORPHAN_AGE_S, CrashBound, Swept, sweep
from ra_node.services.retention.purge import purge
from tests.dicom.builders import source
from tests.services.retention.test_maintenance import delivered, tidier

BOUND = CrashBound(images=2, made=3)


@pytest.fixture
def files(bench):
    assert bind(bench.ledger, bench.files) == ""
    return Files(bench.folder, ledger_identity(bench.ledger))


def orphan(files, folder, name, content=b"x"):
    path = files.data_dir / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def swept(bench, files):
    """Sweep when every file is older than a crash may need."""
    bench.clock.now = time.time() + ORPHAN_AGE_S + 60
    return sweep(bench.ledger, files, BOUND)


def raised(bench):
    return [(one.kind, one.subject) for one in alarms(bench.ledger)]


def test_what_a_crash_leaves_is_cleared_away_and_its_image_set_aside(bench, files):
    orphan(files, "incoming", "a.part")
    orphan(files, "incoming/host-104", "arriving-1.dcm")
    orphan(files, "results/2026-11-23", "b.dcm")
    orphan(files, "previews/2026-11-23", f"c{PREVIEW_SUFFIX}")
    orphan(files, "previews/2026-11-23", "of-an-earlier-version.png")
    image = orphan(files, "inbox/2026-11-23", "d.dcm", b"an image")
    assert swept(bench, files) == Swept(removed=5, set_aside=1)
    assert not image.exists()
    assert (files.data_dir / "unlisted" / "d.dcm").read_bytes() == b"an image"
    assert raised(bench) == [(AlarmKind.ORPHANS, "unlisted")]
    (files.data_dir / "unlisted" / "d.dcm").unlink()
    assert swept(bench, files) == Swept()
    assert raised(bench) == []


@pytest.mark.parametrize(("folder", "count"), [("inbox/d", 3), ("results/d", 4), ("previews/d", 4)])
def test_more_than_a_crash_can_leave_is_not_touched(bench, files, folder, count):
    paths = [orphan(files, folder, f"{number}.dcm") for number in range(count)]
    paths.append(orphan(files, "incoming", "a.part"))
    assert swept(bench, files) == Swept()
    assert all(path.exists() for path in paths)
    assert raised(bench) == [(AlarmKind.ORPHANS, "files")]
    for path in paths:
        path.unlink()
    swept(bench, files)
    assert raised(bench) == []


def test_an_image_that_was_sent_again_is_set_aside_without_an_alarm(bench, files):
    bench.keep(source())
    path = orphan(files, "inbox/d", "again.dcm")
    source().save_as(path, enforce_file_format=True)
    assert swept(bench, files).set_aside == 1
    assert (files.data_dir / "unlisted" / "again.dcm").exists()
    assert raised(bench) == []


def test_two_of_one_name_are_both_kept(bench, files):
    for content in (b"first", b"second"):
        orphan(files, "inbox/d", "same.dcm", content)
        swept(bench, files)
    found = {path.read_bytes() for path in (files.data_dir / "unlisted").iterdir()}
    assert found == {b"first", b"second"}


def test_what_somebody_else_has_put_there_stays(bench, files):
    path = orphan(files, "results", "notes.txt")
    assert swept(bench, files) == Swept()
    assert path.exists()


@pytest.mark.parametrize("place", ["identity", "inbox/.identity"])
def test_without_the_identity_nothing_goes(bench, files, place):
    delivered(bench)
    paths = [orphan(files, "inbox/d", "a.dcm"), orphan(files, "results/d", "b.dcm")]
    (files.data_dir / place).unlink()
    assert swept(bench, files) == Swept()
    bench.clock.advance(86400)
    before = sorted(files.data_dir.rglob("*.*"))
    replace(tidier(bench, keep_s=0.0), files=files).purge()
    assert sorted(files.data_dir.rglob("*.*")) == before
    assert all(path.exists() for path in paths)


def test_a_damaged_ledger_sweeps_and_purges_nothing(bench, files):
    """Rows that cannot be read look like rows that are not there."""
    delivered(bench)
    path = orphan(files, "results/d", "b.dcm")
    before = len(list(files.data_dir.rglob("*.png"))) + len(list(files.data_dir.rglob("*.dcm")))
    with bench.ledger.engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with bench.ledger.file.path.open("r+b") as file:
        file.seek(12288)
        file.write(os.urandom(32768))
    for act in (lambda: purge(bench.ledger, files, 0.0), lambda: sweep(bench.ledger, files, BOUND)):
        with suppress(NodeError):  # whether the alarm can still be written is chance
            act()
    assert path.exists()
    assert len(list(files.data_dir.rglob("*.png"))) + len(list(files.data_dir.rglob("*.dcm"))) == before


def test_a_purge_that_a_crash_cut_short_is_finished_and_no_orphan(bench, files):
    """A study of many images is more than a crash leaves: the ledger lists what is still to go."""
    delivered(bench)
    paths = tuple(sorted(known_paths(bench.ledger)))
    assert mark_purged(bench.ledger, Purgeable("1.2.3", paths))
    assert [one.study_uid for one in unfinished_purges(bench.ledger)] == ["1.2.3"]
    assert swept(bench, files) == Swept()
    assert not any(files.path(path).exists() for path in paths)
    assert unfinished_purges(bench.ledger) == []
    assert raised(bench) == []
