"""What one of several processes of test_ranks.py runs: a small network; losses and weights to a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from tests.training.network_builders import exact_recipe, hands, small_network
from training.classifier.checkpoint import Checkpoint
from training.classifier.distributed import joined_ranks
from training.classifier.epoch_log import Log
from training.classifier.loop import LoopContext, save_half, tune


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined_ranks(torch.device("cpu")) as (ranks, device):
        network = small_network(seed=ranks.rank)  # all begin as the first one
        losses: list[float] = []
        log = Log(folder / "log.csv") if ranks.first else None
        around = LoopContext(ranks=ranks, checkpoint=Checkpoint(folder / "checkpoint.pt", "ranks"), log=log)
        recipe = exact_recipe(epochs=2, batch=24, rest="keep")
        tune(network, *hands(), recipe, "staging", lambda line: losses.append(line.loss), device, around)
        if ranks.first:
            save_half(network, folder / "weights.safetensors")
        (folder / f"losses-{ranks.rank}.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
