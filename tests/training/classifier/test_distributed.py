"""Several processes train together as one would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ra_node.errors import Fatal
from tests.training.network_builders import exact_recipe, hands, small_network
from tests.training.two_ranks import main
from training.classifier.checkpoint import Checkpoint
from training.classifier.distributed import Ranks
from training.classifier.epoch_log import read_log
from training.classifier.loop import LoopContext, tune

REPOSITORY = Path(__file__).resolve().parents[3]
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training by two processes under torchrun."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, *TORCHRUN, "-m", "tests.training.two_ranks", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_have_the_losses_and_weights_of_one(together: Path, tmp_path: Path) -> None:
    """The same global batches, augmentation included, in shares."""
    main(tmp_path)
    alone = json.loads((tmp_path / "losses-0.json").read_text())
    for rank in (0, 1):
        assert json.loads((together / f"losses-{rank}.json").read_text()) == pytest.approx(alone, rel=1e-4)
    one, two = (load_file(folder / "weights.safetensors") for folder in (tmp_path, together))
    assert all(torch.allclose(one[key], two[key], atol=2e-3) for key in one)


def test_only_the_first_process_writes(together: Path) -> None:
    assert [row.epoch for row in read_log(together / "log.csv")] == [1, 2]
    names = {"checkpoint.pt", "log.csv", "losses-0.json", "losses-1.json", "weights.safetensors"}
    assert {path.name for path in together.iterdir()} == names


def test_a_checkpoint_of_two_processes_is_not_taken_up_by_one(together: Path) -> None:
    """Each has its own chance for dropout."""
    around = LoopContext(checkpoint=Checkpoint(together / "checkpoint.pt", "ranks"))
    with pytest.raises(Fatal, match="expected 2 processes, as before the stop, found 1"):
        tune(small_network(), *hands(), exact_recipe(), "staging", print, torch.device("cpu"), around)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("count", [2, 7, 64])
def test_shares_of_a_batch_are_the_batch(world: int, count: int) -> None:
    shares = [list(range(count))[Ranks(rank, world).share(count)] for rank in range(world)]
    assert [k for share in shares for k in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
