"""What was never synced is not counted on: the power is cut at every moment of a traced history."""

from __future__ import annotations

import pytest

from ra_node.network.scp.loopback_archive import LoopbackArchive
from tests.conftest import find_tool
from tests.torture.load import studies
from tests.torture.power_cut import STEPS, cut, record, steps_in_order

IMAGES = 3


@pytest.fixture
def history(tmp_path):
    """Record what a listener, broken or not, asks of the disk for a few images."""
    find_tool("strace")
    find_tool("storescu")

    def recorded(broken: str = ""):
        drawn = studies(tmp_path / "sent", 1, hands_share=0.0)
        images = [image for _ in range(IMAGES) for image in next(drawn)][:IMAGES]
        with LoopbackArchive(tmp_path / "archive") as archive:
            return record(tmp_path, images, ["listen"], ("archive", "ARCHIVE", archive.port), broken)

    return recorded


def test_success_is_said_after_every_sync_and_survives_every_cut(history, tmp_path):
    """PS3.4 B.2.3: the sender may drop its copy then; the order of the system calls is the proof."""
    done = history()
    assert len(done.acknowledged) == IMAGES
    for one in done.acknowledged:
        assert tuple(steps_in_order(done, one)) == STEPS
    cuts = cut(done, tmp_path / "cut", seed=1)
    assert cuts.cuts > 10 * IMAGES
    assert (cuts.lost, cuts.dangling) == ([], [])


@pytest.mark.parametrize(
    ("broken", "missing"),
    [
        ("skip the folder sync", "folder synced"),
        ("commit without sync", "log synced"),
    ],
)
def test_a_guarantee_broken_on_purpose_is_seen(history, tmp_path, broken, missing):
    """A file and a commit; `make torture` breaks two more."""
    done = history(broken)
    cuts = cut(done, tmp_path / "cut", seed=1)
    assert cuts.lost
    assert all(missing not in steps_in_order(done, one) for one in done.acknowledged)
