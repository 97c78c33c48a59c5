"""A GPU without room slows the node down, says so, and changes no result."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs
from torch import nn

from ra_node.bootstrap.node_context import default_settings
from ra_node.inference import gpu_memory as memory
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.class_activation import FeatureMap, feature_map, heat_of
from ra_node.inference.cpu import feature_split
from ra_node.inference.cpu.feature_split import SplitNetwork, run_batches
from ra_node.inference.gpu_memory import MemoryBudget
from ra_node.inference.joint_grader import JointGrader
from tests.inference.network_builders import MEAN, STD, blobs, lively, rounding

CROPS = np.random.default_rng(5).integers(0, 255, (8, 4, 4)).astype(np.uint8)
Tight = Callable[[int], list[int]]


@pytest.fixture
def network() -> SplitNetwork:
    torch.manual_seed(1)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.BatchNorm1d(32)).eval()
    return SplitNetwork(trunk, nn.Linear(32, 3))


@pytest.fixture
def room_for(network: SplitNetwork, monkeypatch: pytest.MonkeyPatch) -> Tight:
    """Let the network's own device hold so many hands at once; return the batches that are tried."""
    tried: list[int] = []
    limit = [0]

    def tight(running: SplitNetwork, crops, mean: float, std: float, batch: int):
        on_gpu = running is network
        tried.append(batch if on_gpu else -batch)
        if on_gpu and batch > limit[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run_batches(running, crops, mean, std, batch)

    monkeypatch.setattr(memory, "run_batches", tight)

    def hold(hands: int) -> list[int]:
        limit[0] = hands
        tried.clear()
        return tried

    return hold


def test_the_batch_is_halved_until_it_fits_and_the_log_says_so(network: SplitNetwork, room_for: Tight):
    room, expected = MemoryBudget(torch.device("cpu"), 8), run_batches(network, CROPS, 0.5, 0.2, 8)[0]
    tried = room_for(2)
    with capture_logs() as logs:
        found, maps = room.answer(network, CROPS, 0.5, 0.2)
    assert tried == [8, 4, 2]
    assert np.allclose(found, expected, atol=1e-5)
    assert maps.shape == (8, 32)
    assert [(log["event"], log["next_batch"]) for log in logs] == [
        ("gpu_memory_exhausted", 4),
        ("gpu_memory_exhausted", 2),
    ]


def test_a_gpu_with_room_again_gets_its_batch_back(network: SplitNetwork, room_for: Tight):
    room = MemoryBudget(torch.device("cpu"), 8)
    room_for(2)
    room.answer(network, CROPS, 0.5, 0.2)
    tried = room_for(8)
    for _ in range(3):
        room.answer(network, CROPS, 0.5, 0.2)
    assert tried == [4, 8, 8]


def test_a_gpu_without_room_for_one_hand_gives_way_to_the_cpu(network: SplitNetwork, room_for: Tight):
    """The same numbers, from a copy in main memory; the next call asks the GPU for one hand again."""
    room, expected = MemoryBudget(torch.device("cpu"), 4), run_batches(network, CROPS, 0.5, 0.2, 4)[0]
    tried = room_for(0)
    with capture_logs() as logs:
        found, maps = room.answer(network, CROPS, 0.5, 0.2)
    assert tried == [4, 2, 1, -1]
    assert np.allclose(found, expected, atol=1e-5)
    assert maps.shape == (8, 32)
    assert logs[-1]["event"] == "cpu_fallback_used"
    room_for(0)
    room.answer(network, CROPS, 0.5, 0.2)
    assert tried == [1, -1]


def test_heat_finds_its_room_in_the_same_way(network: SplitNetwork, monkeypatch: pytest.MonkeyPatch):
    """Explaining needs more memory than judging: it has a batch of its own, and ends on the CPU too."""
    tried: list[int] = []

    def tight(running: SplitNetwork, place, maps, side_px: int, batch: int):
        tried.append(batch if running is network else -batch)
        if running is network and batch > 2 - len(tried) // 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return np.full((len(maps), side_px, side_px), batch, np.float32)

    monkeypatch.setattr(memory, "heat_of", tight)
    room, place = MemoryBudget(torch.device("cpu"), 8), FeatureMap("0", 0.5, 1.0)
    maps = torch.zeros(8, 32)
    with capture_logs():
        assert (room.heat(network, place, maps, 4) == 2).all()
        assert tried == [8, 4, 2]
        room.answer(network, CROPS, 0.5, 0.2)
        tried.clear()
        tried.extend([0] * 8)
        assert (room.heat(network, place, maps, 4) == 1).all()
    assert tried[8:] == [4, 2, 1, -1]


def test_another_error_of_the_network_is_not_taken_for_a_lack_of_memory(network: SplitNetwork):
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        MemoryBudget(torch.device("cpu"), 8).answer(network, CROPS[:, :2], 0.5, 0.2)


def test_the_copy_in_main_memory_answers_and_explains_like_the_network_of_the_gpu(monkeypatch):
    """A traced network is copied, not packed: as it lies on a GPU, with the same answers."""
    monkeypatch.setattr(feature_split, "can_pack", lambda _device: False)
    place = feature_map("googlenet", 64)
    network = lively("googlenet", 64)
    most = rounding(network)
    whole = feature_split.split_network(network, place.path, 64)
    copied, hands = MemoryBudget(torch.device("cpu"), 4)._on_cpu(whole), blobs(2, 64)
    assert copied.trunk is not whole.trunk
    (logits, maps), (expected, expected_maps) = (
        run_batches(one, hands, MEAN, STD, 2) for one in (copied, whole)
    )
    assert logits == pytest.approx(expected, abs=most * np.abs(expected).max())
    heat = heat_of(copied, place, maps, 64, 2)
    assert heat == pytest.approx(heat_of(whole, place, expected_maps, 64, 2), abs=1e-3)


def test_joints_that_do_not_fit_the_gpu_are_graded_on_the_cpu(monkeypatch: pytest.MonkeyPatch):
    """The joint network has the same budget as the others: a full GPU must not fail every study."""
    bundle = load_bundle(default_settings().models.bundle)
    task = bundle.manifest.tasks.joints
    assert task is not None
    grader = JointGrader(bundle, task, "cpu")
    hand = SimpleNamespace(images=np.full((3, 32, 32), 90, np.uint8), kinds=np.arange(3))
    expected = grader.grade([hand])
    answer, tried = grader._answer, []

    def tight(network: nn.Module, crops, kinds, batch: int):
        tried.append(batch)
        if network is grader._network:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answer(network, crops, kinds, batch)

    monkeypatch.setattr(grader, "_answer", tight)
    with capture_logs() as logs:
        found = grader.grade([hand])
    assert np.allclose(found, expected, atol=1e-5)
    assert (tried[0], tried[-2:]) == (208, [1, 1])
    assert logs[-1]["event"] == "cpu_fallback_used"
