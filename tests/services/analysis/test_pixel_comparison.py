"""A resent copy in another compression: its sender has Success at once, a worker compares the pixels."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless, RLELossless
from structlog.testing import capture_logs

from ra_node.dicom.reading.file import read_attributes, read_dataset
from ra_node.domain.job import JobKind, JobState
from ra_node.domain.result_objects import ObjectKind
from ra_node.imaging.pixels import PixelLimits, pixel_digest
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.ledger.database.events import timeline
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.jobs.queue import abandon
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.retention import known_paths
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scp.server import StoreOutcome
from ra_node.services.analysis import pixel_comparison
from ra_node.services.analysis.pixel_comparison import PixelComparison
from ra_node.services.analysis.study_analysis import look_at_file
from ra_node.services.reception import resend
from ra_node.services.reception.resend import Resends
from ra_node.services.reporting.answer import Destination
from ra_node.services.retention.purge import purge
from tests.conftest import find_tool
from tests.dicom.builders import source
from tests.services.delivery.test_deliver import deliver
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
DAY_S = 86400.0


def compressed(image, syntax):
    image.compress(syntax, generate_instance_uid=False)
    return image


def noise(seed=0, **changes):
    """Pixels that tell whether they were decoded."""
    image = source(**changes)
    values = np.random.default_rng(seed).integers(0, 4096, (image.Rows, image.Columns), np.uint16)
    image.PixelData = values.tobytes()
    return image


def compare(bench):
    jobs = bench.claim(JobKind.COMPARE)
    resends = Resends(bench.ledger, bench.files, bench.secret)
    PixelComparison(bench.ledger, bench.files, resends).compare(jobs)
    return len(jobs)


def seen(path, rules):
    """The real look: with the digests of pixels and header."""
    return look_at_file(path, rules)


def go(bench):
    assert bench.settle() == [(STUDY, 1)]
    examine(bench, seen)
    return answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))


def inbox(bench):
    return list((bench.folder / "inbox").rglob("*.dcm"))


def events(bench):
    return [one.what for one in timeline(bench.ledger, STUDY)]


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("examined", [True, False])
def test_the_same_pixels_in_another_compression_are_a_repeat(bench, syntax, examined):
    """Whether the first copy was examined already or not; nothing is left over."""
    bench.keep(noise())
    if examined:
        go(bench)
    assert bench.keep(compressed(noise(), syntax)) == [StoreOutcome.REPEATED]
    assert known_paths(bench.ledger) >= {str(one.relative_to(bench.folder)) for one in inbox(bench)}
    assert compare(bench) == 1
    assert len(inbox(bench)) == 1
    assert alarms(bench.ledger) == []
    assert events(bench)[-1] == "resend_repeated"
    assert bench.settle() == ([] if examined else [(STUDY, 1)])


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_other_pixels_are_refused_after_the_fact(bench, syntax):
    """The first stays and its answer stands; the other is set aside, with an event and an alarm."""
    bench.keep(noise())
    go(bench)
    assert bench.keep(compressed(noise(1), syntax)) == [StoreOutcome.REPEATED]
    with capture_logs() as said:
        compare(bench)
    assert len(inbox(bench)) == 1
    assert len(list((bench.folder / "unlisted").glob("*.dcm"))) == 1
    (alarm,) = alarms(bench.ledger)
    assert (alarm.kind, alarm.subject) == (AlarmKind.PIXELS, str(source().SOPInstanceUID))
    assert "pixels differ" in alarm.detail
    assert "resend_refused" in events(bench)
    assert str(source().PatientName) not in f"{said}{alarm}"
    assert bench.settle() == []


def test_one_changed_pixel_is_another_image(bench):
    """In the least significant bit."""
    changed = noise()
    values = np.frombuffer(changed.PixelData, np.uint16).copy()
    values[7] ^= 1
    changed.PixelData = values.tobytes()
    bench.keep(noise(), compressed(changed, RLELossless))
    compare(bench)
    assert [one.kind for one in alarms(bench.ledger)] == [AlarmKind.PIXELS]


def test_a_corrected_header_in_another_compression_is_taken_after_the_comparison(bench):
    """The patient is corrected by an archive that compresses; the new version names its predecessor."""
    bench.keep(noise())
    first = go(bench)
    bench.keep(compressed(noise(PatientID="P-2"), JPEGLSLossless))
    assert bench.settle() == []
    compare(bench)
    (path,) = inbox(bench)
    assert read_attributes(path).PatientID == "P-2"
    assert bench.settle() == [(STUDY, 2)]
    examine(bench, seen)
    second = answer(bench, Destination("pacs", (ObjectKind.SR,)))
    assert (first.predecessor_sr_uid, second.predecessor_sr_uid is None) == (None, False)
    assert compare(bench) == 0


@pytest.mark.parametrize("later", [None, JPEGLSLossless])
def test_the_correction_that_arrived_last_counts_whichever_is_compared_last(bench, later):
    """The first one waits for its comparison while the second one is taken; sent again, it is the last."""
    bench.keep(noise())
    bench.clock.advance(1)
    bench.keep(compressed(noise(PatientID="P-2"), RLELossless))
    bench.clock.advance(1)
    last = noise(PatientID="P-3")
    bench.keep(compressed(last, later) if later else last)
    bench.clock.advance(1)
    compare(bench)
    (path,) = inbox(bench)
    assert read_attributes(path).PatientID == "P-3"
    assert events(bench).count("instance_corrected") == (2 if later else 1)
    assert events(bench).count("correction_overtaken") == (0 if later else 1)


def test_a_corrected_header_with_other_pixels_is_no_correction(bench):
    bench.keep(noise())
    go(bench)
    bench.keep(compressed(noise(1, ImageLaterality="L"), RLELossless))
    compare(bench)
    assert "instance_corrected" not in events(bench)
    assert bench.settle() == []


def test_pixels_that_cannot_be_decoded_are_refused_as_not_compared(bench):
    bench.keep(noise())
    broken = compressed(noise(), JPEGLSLossless)
    broken.PixelData = encapsulate([b"no codestream"])
    bench.keep(broken)
    compare(bench)
    (alarm,) = alarms(bench.ledger)
    assert "cannot be compared" in alarm.detail


def test_the_same_copy_waits_once(bench):
    """A sender that repeats before the worker has come leaves one file and one job."""
    copy = compressed(noise(), RLELossless)
    bench.keep(noise(), copy, copy, copy)
    assert len(inbox(bench)) == 2
    assert compare(bench) == 1


def purged(bench, tmp_path, image):
    bench.keep(image)
    go(bench)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port)
    bench.clock.advance(3 * DAY_S)
    assert purge(bench.ledger, bench.files, DAY_S).studies == 1
    assert inbox(bench) == []


@pytest.mark.parametrize("syntax", [None, JPEGLSLossless])
def test_a_purged_image_is_corrected_by_a_copy_with_the_same_pixels(bench, tmp_path, syntax):
    """Its digests are kept; in plain or in another compression the report follows the patient."""
    bench.secret = b"s" * 32
    purged(bench, tmp_path, noise())
    copy = noise(PatientID="P-2")
    bench.keep(compressed(copy, syntax) if syntax else copy)
    compare(bench)
    (event,) = [one for one in timeline(bench.ledger, STUDY) if one.what == "instance_corrected"]
    assert event.detail["attributes"] == "Patient ID"
    assert bench.settle() == [(STUDY, 2)]
    examine(bench, seen)
    assert answer(bench, Destination("pacs", (ObjectKind.SR,))).predecessor_sr_uid


def test_a_purged_image_is_not_replaced_by_other_pixels(bench, tmp_path):
    purged(bench, tmp_path, noise())
    bench.keep(noise(1, ImageLaterality="L"))
    compare(bench)
    assert inbox(bench) == []
    assert [one.kind for one in alarms(bench.ledger)] == [AlarmKind.PIXELS]
    assert bench.settle() == []


def test_a_purged_image_that_comes_in_another_compression_is_a_repeat(bench, tmp_path):
    purged(bench, tmp_path, noise())
    bench.keep(compressed(noise(), RLELossless))
    compare(bench)
    assert inbox(bench) == []
    assert bench.settle() == []


def test_a_damaged_file_is_replaced_by_the_same_pixels_alone(bench):
    """A swapped image took its place before: only the patient was compared."""
    bench.keep(noise())
    go(bench)
    (path,) = inbox(bench)
    path.write_bytes(b"x")
    bench.keep(noise(1))
    compare(bench)
    assert AlarmKind.PIXELS in {one.kind for one in alarms(bench.ledger)}
    bench.keep(compressed(noise(), RLELossless))
    compare(bench)
    (good,) = [one for one in inbox(bench) if one.exists() and one.stat().st_size > 1]
    assert read_attributes(good).file_meta.TransferSyntaxUID == RLELossless
    assert bench.settle() == [(STUDY, 2)]


@pytest.mark.parametrize(("step", "syntax"), [("keep_for_comparison", RLELossless), ("correct", None)])
def test_a_commit_whose_response_is_lost_keeps_the_file_of_the_copy(bench, monkeypatch, step, syntax):
    """The sender hears a failure and repeats; the file is the waiting or the kept one by then."""
    bench.keep(noise())
    original = getattr(resend, step)

    def committed(*arguments, **named):
        original(*arguments, **named)
        raise LedgerUnavailable("the response is lost")

    copy = noise(PatientID="P-2")
    copy = compressed(copy, syntax) if syntax else copy
    monkeypatch.setattr(resend, step, committed)
    with pytest.raises(LedgerUnavailable):
        bench.keep(copy)
    monkeypatch.undo()
    bench.keep(copy)
    compare(bench)
    (event,) = [one for one in timeline(bench.ledger, STUDY) if one.what == "instance_corrected"]
    assert event.detail["attributes"] == "PatientID"
    (row,) = instances_of(bench.ledger, STUDY)
    assert read_attributes(bench.files.path(row.path)).PatientID == "P-2"


def test_a_study_is_not_purged_while_a_copy_waits(bench, tmp_path):
    bench.keep(noise())
    go(bench)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port)
    bench.keep(compressed(noise(), RLELossless))
    bench.clock.advance(3 * DAY_S)
    assert purge(bench.ledger, bench.files, DAY_S).studies == 0
    compare(bench)
    assert purge(bench.ledger, bench.files, DAY_S).studies == 1


def test_a_worker_killed_after_the_correction_ends_the_comparison_next_time(bench, monkeypatch):
    """The file is the kept one by then: it must not be removed."""
    bench.keep(noise())
    bench.keep(compressed(noise(PatientID="P-2"), RLELossless))

    def killed(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(pixel_comparison, "end_comparison", killed)
    with pytest.raises(KeyboardInterrupt):
        compare(bench)
    monkeypatch.undo()
    assert abandon(bench.ledger, "worker") == 1
    assert compare(bench) == 1
    (kept,) = instances_of(bench.ledger, STUDY)
    assert [Path(one).name for one in inbox(bench)] == [Path(kept.path).name]
    assert events(bench).count("instance_corrected") == 1


def test_a_comparison_that_fails_again_and_again_ends_as_not_compared(bench, monkeypatch):
    bench.keep(noise(), compressed(noise(), RLELossless))

    def strange(*arguments, **named):
        raise ValueError

    monkeypatch.setattr(pixel_comparison, "pixel_digest", strange)
    for _ in range(3):
        compare(bench)
        bench.clock.advance(4000)
    (alarm,) = alarms(bench.ledger)
    assert "cannot be compared" in alarm.detail
    assert {job.state for job in jobs_of(bench.ledger, STUDY) if job.kind is JobKind.COMPARE} == {
        JobState.DONE
    }


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
@pytest.mark.parametrize(("bits", "high"), [(12, 11), (16, 15), (10, 9)])
def test_the_digest_is_that_of_the_values_in_every_syntax(tmp_path, syntax, bits, high):
    """Signed or not is a matter of the header; unused bits are not a part of the image."""
    image = source(BitsStored=bits, HighBit=high)
    shape = (image.Rows, image.Columns)
    values = np.random.default_rng(5).integers(0, 1 << bits, shape, np.uint16)
    image.PixelData = values.tobytes()
    plain = pixel_digest(image, PixelLimits(1))
    copy = source(BitsStored=bits, HighBit=high)
    copy.PixelData = values.tobytes()
    if syntax:
        copy.compress(syntax, generate_instance_uid=False)
    copy.save_as(tmp_path / "copy.dcm", enforce_file_format=True)
    assert pixel_digest(read_dataset(tmp_path / "copy.dcm"), PixelLimits(1)) == plain


def test_the_first_copy_keeps_its_digests_through_a_correction(bench):
    """They are those of the same pixels and of the header that is current."""
    bench.keep(noise())
    go(bench)
    (before,) = instances_of(bench.ledger, STUDY)
    bench.keep(noise(PatientID="P-2"))
    (after,) = instances_of(bench.ledger, STUDY)
    assert before.pixel_sha256 == after.pixel_sha256 is not None
    assert before.header_digest != after.header_digest is not None


@pytest.mark.parametrize("option", ["+e1", "+el"])
def test_a_foreign_encoder_s_lossless_copy_is_a_repeat(bench, tmp_path, option):
    """DCMTK: JPEG Lossless, first-order prediction and any selection value."""
    tool = find_tool("dcmcjpeg")
    bench.keep(noise())
    go(bench)
    noise().save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    files = [str(tmp_path / name) for name in ("plain.dcm", "packed.dcm")]
    subprocess.run([tool, option, "--uid-never", *files], check=True, timeout=60)
    assert bench.keep(dcmread(files[1])) == [StoreOutcome.REPEATED]
    compare(bench)
    assert events(bench)[-1] == "resend_repeated"
