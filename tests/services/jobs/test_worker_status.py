"""Living workers tell which bundle they run; dead ones are not listed."""

from __future__ import annotations

from ra_node.services.jobs.liveness import present
from ra_node.services.jobs.worker_status import AGAIN_S, Announcer, workers
from tests.dicom.builders import BUNDLE


def test_a_worker_is_listed_with_its_bundle_and_complaint_until_it_leaves(tmp_path):
    folder = tmp_path / "run" / "host"
    with present(folder, "work-1"):
        announcer = Announcer(folder, lambda: None)
        announcer.say("work-1", BUNDLE, "")
        announcer.say("work-1", BUNDLE, "no memory")
        (told,) = workers(tmp_path / "run")
        assert (told.owner, told.sha256, told.refused) == ("work-1", BUNDLE.sha256, "no memory")
    assert workers(tmp_path / "run") == []
    assert list(folder.iterdir()) == []


def test_what_another_version_wrote_is_passed_over(tmp_path):
    folder = tmp_path / "run" / "host"
    with present(folder, "work-1"):
        (folder / "work-1.json").write_text('{"colour": "red"}')
        assert workers(tmp_path / "run") == []


def test_a_full_disk_does_not_stop_a_worker_that_tells(tmp_path):
    (tmp_path / "run").write_text("a file where a folder should be")
    Announcer(tmp_path / "run" / "host", lambda: None).say("work-1", BUNDLE, "")


def test_gpu_memory_is_told_again_as_it_grows_and_the_rest_stays(tmp_path):
    folder, held, now = tmp_path / "run" / "host", [10], [0.0]
    announcer = Announcer(folder, lambda: held[0], lambda: now[0])
    announcer.say_again()
    with present(folder, "work-1"):
        announcer.say("work-1", BUNDLE, "")
        (first,) = workers(tmp_path / "run")
        held[0] = 20
        announcer.say_again()
        assert workers(tmp_path / "run") == [first]
        now[0] += AGAIN_S
        announcer.say_again()
        (second,) = workers(tmp_path / "run")
    assert (first.gpu_bytes, second.gpu_bytes) == (10, 20)
    assert second.since == first.since
