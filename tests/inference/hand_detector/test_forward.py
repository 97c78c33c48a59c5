"""The finder's networks run folded and packed, and see what the networks of the files see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ra_node.domain.laterality.evidence import Side
from ra_node.errors import Fatal
from ra_node.inference.hand_detector import forward as finder_maps
from ra_node.inference.hand_detector.forward import Maps
from ra_node.inference.hand_detector.networks import Reader, Seeker, ViewHead, joint_log_probabilities
from ra_node.inference.hand_detector.preprocessing import pose_of, seen_hand, seen_whole
from tests.inference.bundle_builders import DEMO
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe

SEEKER, READER = (DEMO / "finder" / f"{name}.safetensors" for name in ("seeker", "reader"))


def as_learnt(network: nn.Module, path: Path) -> nn.Module:
    network.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    return network.eval()


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """A film (2, side, side); its hand upright, mirrored and turned (3, 2, side, side)."""
    film = draw_hands(PhantomRecipe((HandRecipe(Side.LEFT, 0),), rows=400, columns=320, seed=1))
    picture, places = film.pixels.astype(np.float32), film.hands[0].joints
    wrist, knuckle = (np.array([places[name].x, places[name].y]) for name in ("wrist_2", "mcp_3"))
    hand = seen_hand(picture, pose_of(wrist, knuckle))
    return seen_whole(picture), np.stack([hand, hand[..., ::-1], np.rot90(hand, axes=(1, 2))])


@pytest.mark.parametrize("packing", [True, False])
def test_maps_are_those_of_the_networks_as_they_were_learnt(packing: bool, monkeypatch) -> None:
    monkeypatch.setattr(finder_maps, "can_pack", lambda _device: packing)
    maps, (whole, hands) = Maps(SEEKER, READER), drawn()
    with torch.no_grad():
        sought = as_learnt(Seeker(), SEEKER)(torch.from_numpy(whole[None]))[0]
        where, absent, silhouette, _ = as_learnt(Reader(), READER)(torch.from_numpy(hands))
        chance = joint_log_probabilities(where, absent).exp()
    heat, numbers = maps.seek(whole)
    assert heat == pytest.approx(sought[0].sigmoid().numpy(), abs=1e-4)
    assert numbers == pytest.approx(sought[1:].numpy(), abs=1e-3)
    assert heat.max() > 0.5
    joints, gone, outline, views = maps.read(hands)
    assert views.shape == (3, 0)
    assert joints == pytest.approx(chance[:, :, :-1].reshape(where.shape).numpy(), abs=1e-4)
    assert gone == pytest.approx(chance[:, :, -1].numpy(), abs=1e-4)
    assert outline == pytest.approx(silhouette.sigmoid().numpy(), abs=1e-4)
    assert outline.max() > 0.9
    assert joints[0].max() > 0.1


def test_the_view_head_answers_alike_for_a_hand_and_its_mirror_image(tmp_path: Path) -> None:
    """And probabilities of each square sum to one."""
    torch.manual_seed(0)
    head = tmp_path / "views.safetensors"
    save_file(ViewHead(5).state_dict(), head)
    bottom = torch.randn(1, 128, 5, 5)
    network = ViewHead(5)
    assert torch.allclose(network(bottom), network(bottom.flip(3)), atol=1e-5)
    *_, views = Maps(SEEKER, READER, head, 5).read(drawn()[1])
    assert views.shape == (3, 5)
    assert views.sum(axis=1) == pytest.approx(1)


def test_a_view_head_of_other_views_is_refused(tmp_path: Path) -> None:
    head = tmp_path / "views.safetensors"
    save_file(ViewHead(5).state_dict(), head)
    with pytest.raises(Fatal, match="views"):
        Maps(SEEKER, READER, head, 8)
