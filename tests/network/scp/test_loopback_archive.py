"""The archive of demo and tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pydicom import dcmread
from pynetdicom.association import Association

from ra_node.network.scp.loopback_archive import LoopbackArchive
from tests.network.fakes import data_set_bytes, wait_until, write_instance

Archived = Callable[..., LoopbackArchive]
Associate = Callable[..., Association]


def test_it_keeps_part_10_files(archive: Archived, associate: Associate, tmp_path: Path):
    """Named after their UID, with the bytes that came, and nothing else in the folder."""
    path = write_instance(tmp_path)
    kept = archive()
    assert associate(kept.port).send_c_store(path).Status == 0x0000
    assert [entry.name for entry in kept.folder.iterdir()] == ["1.2.3.4.dcm"]
    assert data_set_bytes(kept.folder / "1.2.3.4.dcm") == data_set_bytes(path)
    assert dcmread(kept.objects[0].path).SOPInstanceUID == "1.2.3.4"


def test_a_caller_can_wait_for_what_will_come(archive: Archived, associate: Associate, tmp_path: Path):
    """On a condition, with a deadline."""
    kept = archive()
    assert not kept.wait_for(lambda objects: len(objects) == 1, 0.05)
    association = associate(kept.port)
    path = write_instance(tmp_path)
    sender = threading.Thread(target=lambda: association.send_c_store(path))
    sender.start()
    assert kept.wait_for(lambda objects: len(objects) == 1, 120)
    sender.join(120)


def test_it_answers_as_it_was_told(archive: Archived, associate: Associate, tmp_path: Path):
    """The given statuses in order, then Success; what it refuses it does not keep."""
    path = write_instance(tmp_path)
    kept = archive(statuses=(0xA700, 0xB000))
    association = associate(kept.port)
    assert [association.send_c_store(path).Status for _ in range(3)] == [0xA700, 0xB000, 0x0000]
    assert len(kept.objects) == 2


def test_a_delay_ends_when_it_stops(archive: Archived, associate: Associate, tmp_path: Path):
    """A test that scripts a slow peer need not wait for it."""
    path = write_instance(tmp_path)
    kept = archive(delay_s=60.0)
    association = associate(kept.port)
    sender = threading.Thread(target=lambda: association.send_c_store(path))
    sender.start()
    assert not kept.wait_for(lambda objects: len(objects) > 0, 0.05)
    kept.stop()
    sender.join(120)
    assert not sender.is_alive()
    assert wait_until(lambda: not any("Acceptor" in thread.name for thread in threading.enumerate()))


def test_its_port_is_free_again_after_it_stopped(tmp_path: Path):
    first = LoopbackArchive(tmp_path / "a")
    first.start()
    port = first.port
    first.stop()
    with LoopbackArchive(tmp_path / "b", port=port) as second:
        assert second.port == port
