"""Living workers tell which bundle they run; dead ones are not listed."""

from __future__ import annotations

from ra_node.services.presence import present
from ra_node.services.running import tell_running, workers
from tests.dicom.builders import BUNDLE


def test_a_worker_is_listed_with_its_bundle_and_complaint_until_it_leaves(tmp_path):
    folder = tmp_path / "run" / "host"
    with present(folder, "work-1"):
        tell_running(folder, "work-1", BUNDLE, "")
        tell_running(folder, "work-1", BUNDLE, "no memory")
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
    tell_running(tmp_path / "run" / "host", "work-1", BUNDLE, "")
