"""Training run of the marker reader: rendered letters, real pieces, evaluation; finished steps are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.torch import save

from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.bundles.manifest import Interval
from ra_node.inference.hand_detector.detector import load_finder
from ra_node.inference.marker_reader.candidates import Patches
from ra_node.inference.marker_reader.network import MarkerLetters, loaded, probabilities
from training.io.atomic_file import write_whole
from training.marker_reader.evaluate import figures_of, outcomes
from training.marker_reader.export import FIGURES, LEAST_SCORE, WEIGHTS
from training.marker_reader.real import Part, PicturePieces, backgrounds, labelled, marked_pictures, pieces_of
from training.marker_reader.rendering import font_files
from training.marker_reader.scenes import rendered
from training.marker_reader.train import train_marker_reader

_RENDERED = "rendered.npz"
Say = Callable[[str], None]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MarkerTraining:
    """All parameters of a training of the marker reader, except radiographs and fonts."""

    scenes: int
    rounds: tuple[int, ...]
    """Epochs of each round. The first round uses rendered letters only; each later one starts from the
    weights of the previous round, which also label the real pieces."""
    seed: int


def train_markers(
    plan: MarkerTraining, out: Path, radiographs: Path, bundle: Path, fonts: Sequence[Path], say: Say
) -> None:
    """Train round by round and evaluate; held-out pictures, by a hash of their names, are not trained on."""
    tuning = _found(radiographs, bundle, "tuning", say)
    drawn = _rendered(plan, out, fonts, tuning, say)
    before: Path | None = None
    for number, epochs in enumerate(plan.rounds, start=1):
        after = out / f"round-{number}.safetensors"
        if not after.exists():
            known = [drawn] if before is None else [drawn, *[labelled(tuning, reading(before))] * 2]
            patches, labels = (np.concatenate([part[n] for part in known]) for n in (0, 1))
            network = train_marker_reader(
                patches, labels, epochs, plan.seed + number, partial(_say_about, say, after.stem), before
            )
            write_whole(after, partial(_write, network))
        before = after
    assert before is not None
    write_whole(out / WEIGHTS, partial(_copy, before))
    measure_markers(out, radiographs, bundle, say)


def measure_markers(out: Path, radiographs: Path, bundle: Path, say: Say) -> None:
    """Evaluate the weights of a run on held-out pictures, print the counts and write the metrics."""
    counts = outcomes(_found(radiographs, bundle, "held-out", say), reading(out / WEIGHTS), LEAST_SCORE)
    content = TypeAdapter(dict[str, Interval]).dump_json(figures_of(counts), indent=2)
    write_whole(out / FIGURES, lambda file: file.write(content))
    for kind, count in sorted(counts.items()):
        told = ", ".join(f"{outcome} {number}" for outcome, number in sorted(count.items()))
        say(f"{kind}: {count.total()} plates, {told}")


def reading(weights: Path) -> Callable[[Patches], NDArray[np.float32]]:
    """The network of a run as a function of patches."""
    network = loaded(weights)
    return lambda patches: probabilities(network, patches.astype(np.float32))


def _rendered(
    plan: MarkerTraining, out: Path, fonts: Sequence[Path], tuning: Sequence[PicturePieces], say: Say
) -> tuple[Patches, Labels]:
    kept = out / _RENDERED
    if not kept.exists():
        files = font_files(*(str(folder) for folder in fonts))

        def count(done: int, total: int) -> None:
            say(f"rendered {done} of {total} scenes")

        patches, labels = rendered(plan.scenes, plan.seed, files, backgrounds(tuning), count)
        write_whole(kept, lambda file: np.savez(file, patches=patches, labels=labels))
    with np.load(kept) as held:
        return held["patches"], held["labels"]


def _write(network: MarkerLetters, file: BinaryIO) -> None:
    state = network.state_dict()
    file.write(save({key: t.half() if t.is_floating_point() else t for key, t in state.items()}))


def _copy(weights: Path, file: BinaryIO) -> None:
    file.write(weights.read_bytes())


def _found(radiographs: Path, bundle: Path, part: Part, say: Say) -> list[PicturePieces]:
    finder = load_finder(load_bundle(bundle))
    pictures = list(marked_pictures(radiographs, part))
    if not pictures:
        raise Fatal(f"expected radiographs in {radiographs}/rsna, found none")
    say(f"finding hands and letters in {len(pictures)} {part} images")
    return list(pieces_of(pictures, finder))


def _say_about(say: Say, name: str, text: str) -> None:
    say(f"{name}: {text}")
