"""A bundle is promoted and rolled back under a running node: each study is answered once, by one of them."""

from __future__ import annotations

import json
import threading
from copy import deepcopy
from itertools import count

import pytest
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from typer.testing import CliRunner

from ra_node.cli.app import app
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.network.scp.loopback_archive import LoopbackArchive
from tests.conftest import find_tool, wait_until
from tests.inference.bundle_builders import DEMO, write_sibling
from tests.node.harness import Node, run_tool
from tests.node.studies import two_hands

AFTER_EACH = 1
"""Studies that must be answered by each bundle before the next change; more are on their way meanwhile."""
UNANSWERED = 2
"""Studies on their way at any time, so that a change always meets some."""


@pytest.fixture
def archive(tmp_path):
    with LoopbackArchive(tmp_path / "archive", ae_title="ARCHIVE") as running:
        yield running


@pytest.fixture
def busy_node(tmp_path, archive):
    """A node of its own, whose bundle is changed while it works."""
    destination = ("archive", "ARCHIVE", archive.port)
    running = Node(tmp_path / "node", [destination], quiet_s=0.3, forked=True)
    try:
        running.start()
        yield running
    finally:
        running.stop()


class Stream:
    """A modality that sends the same picture as study after study until it is told to stop.

    It waits while so many studies are unanswered that the node would only fall behind.
    """

    def __init__(self, node, archive, folder):
        self.node, self.archive, self.folder = node, archive, folder
        self.tool = find_tool("storescu")
        self.image = two_hands(seed=71)
        self.sent = []
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.thread.join(600)

    def _run(self):
        for number in count():
            while 2 * len(self.sent) - len(self.archive.objects) > 2 * UNANSWERED:
                if self.enough.wait(0.05):
                    return
            if self.enough.is_set():
                return
            image = deepcopy(self.image)
            image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            path = self.folder / f"{number}.dcm"
            image.save_as(path, enforce_file_format=True)
            argv = ["-aet", "STORESCU", "-aec", "RA_NODE", "127.0.0.1", str(self.node.port), str(path)]
            if run_tool([self.tool, *argv]).returncode == 0:
                self.sent.append(str(image.StudyInstanceUID))


def command(node, *words):
    """Give a command as the administrator would, in this process, which has PyTorch loaded."""
    said = CliRunner().invoke(app, [*words, "--config", str(node.config)])
    assert said.exit_code == 0, said.output
    return said.output


def status(node):
    return json.loads(command(node, "status", "--json"))


def devices(dataset):
    """The Device UIDs of the algorithms (IHE AIR), one for each task."""
    return tuple(item.DeviceUID for item in dataset.ContributingEquipmentSequence)


def device_uids(folder):
    return tuple(model.device_uid for model in load_bundle(folder).identity.models)


def answered_by(archive, uids):
    """How many reports in the archive name these devices."""
    return sum(
        devices(dcmread(one.path)) == uids
        for one in archive.objects
        if one.sop_class_uid != SecondaryCaptureImageStorage
    )


def test_a_promotion_and_its_rollback_lose_double_and_mix_nothing(busy_node, archive, tmp_path):
    sibling = write_sibling(tmp_path / "sibling", version="9.9.9")
    old, new = device_uids(DEMO), device_uids(sibling)
    configured = load_bundle(DEMO).identity.version
    assert not set(old) & set(new)
    command(busy_node, "bundle", "install", str(sibling))
    with Stream(busy_node, archive, tmp_path) as stream:
        wait_until(lambda: answered_by(archive, old) >= AFTER_EACH, "answers by the old bundle", 600)
        assert answered_by(archive, new) == 0
        assert "Promoted demo 9.9.9" in command(busy_node, "bundle", "promote", "demo-9.9.9")
        wait_until(lambda: answered_by(archive, new) >= AFTER_EACH, "answers by the promoted bundle", 600)
        (worker,) = status(busy_node)["models"]["workers"]
        assert (worker["version"], worker["refused"]) == ("9.9.9", "")
        assert "Rolled back to the bundle of [models]" in command(busy_node, "bundle", "rollback")
        before = answered_by(archive, old)
        wait_until(
            lambda: answered_by(archive, old) >= before + AFTER_EACH, "answers after the rollback", 600
        )
    assert archive.wait_for(lambda kept: len(kept) >= 3 * len(stream.sent), 600)
    assert status(busy_node)["buried"] == []
    made = {}
    for one in archive.objects:
        dataset = dcmread(one.path)
        made.setdefault(str(dataset.StudyInstanceUID), []).append(dataset)
    assert sorted(made) == sorted(stream.sent)
    for results in made.values():
        report, *overlays = sorted(results, key=lambda one: one.SOPClassUID == SecondaryCaptureImageStorage)
        assert [one.SOPClassUID for one in overlays] == [SecondaryCaptureImageStorage] * 2
        assert all(devices(one) == devices(report) for one in overlays)
        assert devices(report) in (old, new)
        assert all(one.SoftwareVersions == report.SoftwareVersions for one in overlays)
        version = "9.9.9" if devices(report) == new else configured
        assert f"bundle demo {version}" in report.SoftwareVersions
        tree = report.to_json()
        for uid in devices(report):
            assert uid in tree
