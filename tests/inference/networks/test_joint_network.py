"""All joints share one network, which knows their kinds and does not mind a mirror."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ra_node.errors import Fatal
from ra_node.inference.networks.joint_network import (
    JointNetwork,
    joint_log_probabilities,
    load_joint_network,
)

CPU = torch.device("cpu")


def network() -> JointNetwork:
    torch.manual_seed(3)
    made = JointNetwork().eval()
    for kind in (made.kind_middle, made.kind_end):
        torch.nn.init.normal_(kind.weight)
    return made


def crops(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64), np.uint8)


def test_answers_are_log_probabilities_of_six_stages() -> None:
    found = joint_log_probabilities(network(), crops(), np.array([0, 5, 12]))
    assert found.shape == (3, 6)
    assert np.exp(found).sum(axis=1) == pytest.approx(1)


def test_the_kind_of_the_joint_counts() -> None:
    same = np.repeat(crops(1), 2, axis=0)
    found = joint_log_probabilities(network(), same, np.array([0, 12]))
    assert not np.allclose(found[0], found[1])


def test_a_mirrored_joint_is_read_alike() -> None:
    kinds = np.array([1, 2, 3])
    straight = joint_log_probabilities(network(), crops(), kinds)
    mirrored = joint_log_probabilities(network(), np.ascontiguousarray(crops()[:, :, ::-1]), kinds)
    assert straight == pytest.approx(mirrored, abs=1e-5)


def test_joints_are_judged_alone_and_together_alike() -> None:
    kinds = np.array([1, 2, 3])
    together = joint_log_probabilities(network(), crops(), kinds)
    alone = np.concatenate(
        [joint_log_probabilities(network(), crops()[k : k + 1], kinds[k : k + 1]) for k in range(3)]
    )
    assert together == pytest.approx(alone, abs=1e-4)


def test_weights_survive_the_disk_in_half_precision_and_are_small(tmp_path: Path) -> None:
    held = {k: t.half() if t.is_floating_point() else t for k, t in network().state_dict().items()}
    save_file(held, tmp_path / "weights.safetensors")
    again = load_joint_network(tmp_path / "weights.safetensors", CPU)
    kinds = np.array([0, 1, 2])
    before = joint_log_probabilities(network(), crops(), kinds)
    assert joint_log_probabilities(again, crops(), kinds) == pytest.approx(before, abs=0.05)
    assert (tmp_path / "weights.safetensors").stat().st_size < 700_000


@pytest.mark.parametrize("fault", ["missing", "nan", "no file"])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "weights.safetensors"
    held = network().state_dict()
    if fault == "missing":
        del held["mixing.0.weight"]
    if fault == "nan":
        held["mixing.0.weight"][0, 0] = float("nan")
    if fault != "no file":
        save_file(held, path)
    with pytest.raises(Fatal, match="expected weights of the joint network"):
        load_joint_network(path, CPU)
