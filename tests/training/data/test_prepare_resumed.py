"""What a stopped `prepare` leaves behind, and how the same command goes on."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from ra_node.errors import Fatal
from tests.finders import demo_detector
from tests.training.data.small_hospital import ROWS, SALT, SMALL, content, file_of, made, nothing_but
from tests.training.label_tables import NAME, write_table
from training.data.label_table.annotations import read_labels
from training.data.prepare import prepare
from training.data.site_images.image_hands import Cutter, ImageHands, ImageTask, Options, Rejection
from training.data.site_images.source_image import sha256_of
from training.io.atomic_folder import write_synced


@pytest.mark.parametrize("at", [1, 9, 12])
def test_a_full_disk_leaves_no_dataset_and_the_same_command_goes_on(
    images: Path, dataset: Path, tmp_path: Path, at: int
) -> None:
    """In the middle of the hands as well as at the manifest; the end is the same to the last byte."""
    written = 0

    def write(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        path.write_bytes(data[:10] if written == at else data)
        if written == at:
            raise OSError(errno.ENOSPC, f"No space left on device: {NAME}")

    labels = read_labels(write_table(tmp_path / "labels.csv", ROWS), images)
    with pytest.raises(Fatal, match="found a full disk; what was made is kept") as caught:
        prepare(images, labels, tmp_path / "d", SALT, demo_detector(), write=write)
    assert NAME not in str(caught.value)
    assert nothing_but(tmp_path, "labels.csv", ".d.partial")
    again = prepare(images, labels, tmp_path / "d", SALT, demo_detector())
    assert again.known == {1: 0, 9: 2, 12: 3}[at]
    assert nothing_but(tmp_path, "labels.csv", "d")
    assert dict(content(tmp_path / "d")) == dict(content(dataset))


def partial(images: Path, folder: Path, rows: Sequence[dict[str, object]] = ROWS) -> Path:
    """All images cut, and stopped before the end."""

    def write(path: Path, data: bytes) -> None:
        if path.name == "manifest.jsonl":
            raise KeyboardInterrupt
        path.write_bytes(data)

    labels = read_labels(write_table(folder / "labels.csv", rows), images)
    with pytest.raises(KeyboardInterrupt):
        prepare(images, labels, folder / "d", SALT, demo_detector(), write=write)
    return folder / ".d.partial"


def test_only_images_whose_labels_and_options_are_the_same_are_taken_over(
    images: Path, tmp_path: Path
) -> None:
    """A label that was mended, another way of blanking, and a picture that was lost are cut anew."""
    left = partial(images, tmp_path)
    digest = sha256_of(images / file_of("MARKID0001"))
    (left / "hands" / f"{digest[:16]}-R.png").unlink()
    changed = [*ROWS[:-1], ROWS[-1] | {"reader_1": 4, "reader_2": 4}]
    prepared = made(images, tmp_path / "d", changed)
    assert prepared.known == 1
    assert sorted(hand.stage for hand in prepared.hands) == [0, 1, 2, 3, 4, 4]
    assert all((tmp_path / "d" / hand.image).is_file() for hand in prepared.hands)
    assert made(images, tmp_path / "e", options=Options(blank="nothing")).known == 0


def test_a_line_that_was_cut_off_and_pictures_of_no_hand_do_no_harm(images: Path, tmp_path: Path) -> None:
    left = partial(images, tmp_path)
    journal = left / "images.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    (left / "hands" / "other-R.png").write_bytes(b"of a label that is gone")
    assert made(images, tmp_path / "d").known == 2
    names = {path.name for path in (tmp_path / "d").rglob("*")}
    assert not {"images.jsonl", "other-R.png"} & names


def test_an_unfinished_dataset_names_no_patient(images: Path, tmp_path: Path) -> None:
    left = partial(images, tmp_path, [row | {"patient": f"MARK{row['file']}"} for row in ROWS])
    for name, data in content(left):
        assert NAME.encode() not in data
        assert b"MARKID" not in data
        assert "MARK" not in name


def test_images_can_be_cut_in_processes_of_their_own(tmp_path: Path) -> None:
    """What goes into them and what comes out of them is fit to be pickled; their order is side_by_side's."""
    cutter = Cutter(tmp_path, SALT, demo_detector(), SMALL, write_synced)
    hands = ImageHands("key", "pixels", (), (Rejection(2, "R", "ab", "side", "none"),))
    task = ImageTask(tmp_path, "ab", ())
    for one in (cutter, task, hands):
        assert pickle.loads(pickle.dumps(one)) == one
