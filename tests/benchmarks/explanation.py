"""How far the heat map may be trusted: does it point to the joint that makes the difference?

    python -m tests.benchmarks.explanation [--bundle DIR] [--radiographs DIR] [--hands N] [--phantoms N]

Every hand gets a lesion at one of its thirteen joints, in turn, and is looked at with the node's own finder
and networks. Hits are counted with the exact 95 % interval beside chance, beside the same hand without the
lesion, beside Grad-CAM's usual place, the last block of all, and beside networks whose weights are random,
which have nothing to explain (Adebayo et al., arXiv:1810.03292).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ra_node.domain.joints import JOINTS
from ra_node.domain.report import HandRegion
from ra_node.domain.salient_joints import standing_out
from ra_node.imaging.heat_map_contours import explained, joint_shares
from ra_node.imaging.model_input import crop_frame, hand_crop
from ra_node.inference.bundles.bundle import Bundle, load_bundle
from ra_node.inference.class_activation import COARSEST_PX, feature_map, heat_of
from ra_node.inference.cpu.feature_split import run_batches, split_network
from ra_node.inference.hand_detector.detector import Finder, load_finder
from ra_node.inference.networks.architectures import build
from ra_node.inference.networks.heads import last_layer, new_head, replace_last_layer, width_of
from ra_node.inference.networks.loaded_network import load_network
from ra_node.inference.predictor import Predictor
from tests.benchmarks.explanation_hands import Pair, Values, drawn_pairs, kept_apart, real_pairs
from training.evaluation.metrics import clopper_pearson
from training.recipes.classifier import Recipe

DEMO = Path(__file__).resolve().parents[2] / "config" / "bundles" / "demo"
RANDOM_NETWORKS = 3
LAST_BLOCK_PX = 40.0
"""All five networks end with cells of 32 px."""
_CELL_PX = 8

Heat = NDArray[np.float32]
Mapper = Callable[[NDArray[np.uint8]], Heat]
"""Makes heat (side, side) of one crop (side, side)."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One picture: its hand as the finder gave it, the crop, and its heat by the staging network.

    The staging network is asked whatever it says, so that healthy hands can be compared.
    """

    region: HandRegion
    crop: NDArray[np.uint8]
    shape: tuple[int, ...]
    heat: Heat

    def ranked(self, heat: Heat) -> list[str]:
        """Joints by their share of heat, largest first; those without heat are left out."""
        shares = joint_shares(heat, self.region, crop_frame(self.shape, self.region, len(heat)))
        return sorted((name for name, share in shares.items() if share > 0), key=lambda name: -shares[name])


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What was found of one pair.

    `shown` is the map that the node shows of the diseased hand and `named` the joints on its report; None
    and none where no network says disease.
    """

    joint: str
    diseased: Seen
    healthy: Seen
    shown: Heat | None
    named: tuple[str, ...]
    last_block: Heat
    random: tuple[Heat, ...]

    def hit(self, heat: Heat | None, most: int = 1) -> bool:
        return heat is not None and self.joint in self.diseased.ranked(heat)[:most]


class Bench:
    """The networks of a bundle, and others of the same kind that have learnt nothing."""

    def __init__(
        self, bundle: Bundle, coarsest_px: float = COARSEST_PX, random: int = RANDOM_NETWORKS
    ) -> None:
        self.finder = load_finder(bundle)
        self.predictor = Predictor(bundle, "cpu", 1)
        self._task, self._recipe = bundle.manifest.tasks.staging, bundle.manifest.preprocessing
        self._map = self._mapper(self._taught(bundle))
        self._last_block = self._mapper(self._taught(bundle), LAST_BLOCK_PX)
        self._random = [self._mapper(self._untaught(seed)) for seed in range(random)]

    def outcome(self, pair: Pair) -> Outcome | None:
        """Look at both pictures; None where the finder did not find exactly this one hand."""
        diseased, healthy = (seen(self.finder, values, self._map) for values in (pair.diseased, pair.healthy))
        if diseased is None or healthy is None:
            return None
        (judged,) = self.predictor.judge([diseased.crop])
        told = None if judged.heat is None else explained(judged.heat, diseased.region, diseased.shape)
        return Outcome(
            pair.joint,
            diseased,
            healthy,
            shown=judged.heat,
            named=() if told is None else tuple(joint.name for joint in standing_out(told)),
            last_block=self._last_block(diseased.crop),
            random=tuple(mapper(diseased.crop) for mapper in self._random),
        )

    def _mapper(self, network: torch.nn.Module, coarsest_px: float = COARSEST_PX) -> Mapper:
        recipe = self._recipe
        place = feature_map(self._task.architecture, recipe.side_px, coarsest_px)
        split = split_network(network, place.path, recipe.side_px)

        def mapped(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
            _, maps = run_batches(split, crop[None], recipe.mean, recipe.std, 1)
            return heat_of(split, place, maps, recipe.side_px, 1)[0]

        return mapped

    def _taught(self, bundle: Bundle) -> torch.nn.Module:
        task, path = self._task, bundle.weights_path(self._task)
        return load_network(task.architecture, len(task.classes), path, torch.device("cpu"), task.head)

    def _untaught(self, seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        network = build(self._task.architecture, len(self._task.classes))
        layer = new_head(self._task.head, width_of(last_layer(network)[1]), len(self._task.classes))
        replace_last_layer(network, layer)
        return network.requires_grad_(requires_grad=False).eval()


def seen(finder: Finder, values: Values, heat: Mapper) -> Seen | None:
    """Find and cut one hand as the node does; None where there is not exactly one."""
    regions = finder.find(values)
    if len(regions) != 1:
        return None
    crop = hand_crop(values, regions[0])
    return Seen(regions[0], crop, values.shape, heat(crop))


def rank_correlation(one: Outcome) -> list[float]:
    """Spearman's between the map and each random network's, over the cells of the hand only."""
    inside = _cells(one.diseased.crop.astype(np.float32)) > 8
    mine = _cells(one.diseased.heat)[inside]
    return [float(spearmanr(mine, _cells(heat)[inside]).statistic) for heat in one.random if heat.max() > 0]


def _cells(picture: Heat) -> Heat:
    side = len(picture) // _CELL_PX
    return np.asarray(picture.reshape(side, _CELL_PX, side, _CELL_PX).mean(axis=(1, 3)), np.float32)


def rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    """The table of one kind of hands: what was counted, and how many of how many."""
    mapped = [one for one in outcomes if one.shown is not None]
    right = [one.joint in one.named for one in mapped]
    yield "hands with a map (a network says disease)", told(len(mapped), len(outcomes))
    yield "  the joint of the lesion has most heat", counted(one.hit(one.shown) for one in mapped)
    yield "  ... is among the three with most", counted(one.hit(one.shown, 3) for one in mapped)
    yield "  ... is named on the report", counted(right)
    yield "  joints named that have the lesion", told(sum(right), sum(len(one.named) for one in mapped))
    yield (
        "  most heat in the map of the last block of all",
        counted(one.hit(one.last_block) for one in mapped),
    )
    yield "all hands, those called healthy too", counted(one.hit(one.diseased.heat) for one in outcomes)
    yield "the same hands without the lesion", counted(_pointed(one) for one in outcomes)
    pairs = [(one, heat) for one in outcomes for heat in one.random]
    yield f"{RANDOM_NETWORKS} random networks", counted(one.hit(heat) for one, heat in pairs)
    joints = len(JOINTS)
    yield "chance", f"1 of {joints} = {100 / joints:.0f} %; among three {300 / joints:.0f} %"
    values = [value for one in outcomes for value in rank_correlation(one)]
    if values:
        low, high = np.percentile(values, (2.5, 97.5))
        spread = f"{np.mean(values):.2f} (middle 95 %: {low:.2f} to {high:.2f})"
        yield "rank correlation with random networks' maps", spread


def _pointed(one: Outcome) -> bool:
    return one.joint in one.healthy.ranked(one.healthy.heat)[:1]


def counted(hits: Iterable[bool]) -> str:
    found = list(hits)
    return told(sum(found), len(found))


def told(right: int, total: int) -> str:
    """How many of how many, with the exact interval."""
    if not total:
        return "none"
    share, low, high = (100 * value for value in clopper_pearson(right, total))
    return f"{right} of {total} = {share:.0f} % ({low:.0f} to {high:.0f})"


def main() -> None:
    chosen = _arguments()
    torch.set_num_threads(1)
    bundle = load_bundle(chosen.bundle)
    bench = Bench(bundle)
    for kind, pairs in _kinds(chosen, bundle):
        outcomes = [one for one in map(bench.outcome, pairs) if one is not None]
        print(f"\n{kind}: {len(outcomes)} hands with a lesion at one joint")
        for name, value in rows(outcomes):
            print(f"  {name:<50}{value}")


def _kinds(chosen: argparse.Namespace, bundle: Bundle) -> Iterator[tuple[str, Iterator[Pair]]]:
    if chosen.radiographs is not None and chosen.hands:
        recipe = Recipe.model_validate(bundle.manifest.training["recipe"])
        hands = kept_apart(bundle.manifest, chosen.radiographs)[: chosen.hands]
        yield "held-out radiographs", real_pairs(hands, recipe.data.phalanx_px, chosen.seed)
    if chosen.phantoms:
        yield "drawn hands", drawn_pairs(chosen.phantoms, chosen.seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = os.environ.get("RA_NODE_RADIOGRAPHS")
    parser.add_argument("--bundle", type=Path, default=DEMO)
    parser.add_argument("--radiographs", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--hands", type=int, default=10_000, help="at most so many held-out radiographs")
    parser.add_argument("--phantoms", type=int, default=52)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
