"""Training: killed and resumed to the same weights, under torchrun with one process, in a group of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import distributed, nn
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from torch.nn.parallel import DistributedDataParallel

from ra_node.inference.networks.architectures import build
from tests.benchmarks.table import Row
from tests.gpu_proof.faults import yes
from tests.gpu_proof.place import Place, noise
from tests.training.network_builders import exact_recipe, small_network
from training.classifier.checkpoint import Checkpoint
from training.classifier.distributed import joined_ranks
from training.classifier.loop import LoopContext, Progress, save_half, tune
from training.classifier.train import seed_everything

EPOCHS, BATCH = 4, 16


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a few epochs; `kill_at` is the step in which it kills itself."""

    device: str
    tiny: bool
    kill_at: int = 0


def resume(place: Place) -> Iterator[Row]:
    """Beside the difference of two undisturbed trainings: 0 where kernels are deterministic."""
    whole = Training(str(place.device), place.tiny)
    cut, folders = replace(whole, kill_at=5), {name: place.folder / name for name in ("a", "b", "cut")}
    first, second = (weights(place, whole, folders[name]) for name in ("a", "b"))
    code = run(place, cut, folders["cut"])
    yield yes("training killed by SIGKILL in its second epoch", code == -signal.SIGKILL, f"exit {code}")
    resumed = weights(place, whole, folders["cut"])
    chance, most = (largest(first, other) for other in (second, resumed))
    title = "training resumed after the kill, largest difference of a weight, beside two undisturbed ones"
    yield yes(title, most <= chance, f"{most:.1e} beside {chance:.1e}")


def torchrun(place: Place) -> Iterator[Row]:
    """The launcher of torchrun with one process; then the same group with gradients averaged over it."""
    training = Training(str(place.device), place.tiny)
    alone = weights(place, training, place.folder / "alone")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=1,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        start_method="spawn" if place.device.type == "cuda" else "fork",
        max_restarts=0,
    )
    elastic_launch(config, train)(training, place.folder / "torchrun")
    most = largest(alone, load_file(place.folder / "torchrun" / "weights.safetensors"))
    yield yes("torchrun, world 1: the weights of a training alone", most == 0, f"difference {most:.1e}")
    process = place.processes.Process(target=group_of_one, args=(str(place.device), place.folder))  # type: ignore[attr-defined]
    process.start()
    process.join()
    backend = "NCCL" if place.device.type == "cuda" else "gloo"
    name = f"a group of one over {backend}: sum, synchronised batch normalisation, averaged gradients"
    yield yes(name, process.exitcode == 0, f"exit {process.exitcode}")


def run(place: Place, training: Training, folder: Path) -> int | None:
    """Exit code of a training in a process of its own."""
    process = place.processes.Process(target=train, args=(training, folder))  # type: ignore[attr-defined]
    process.start()
    process.join()
    return int(process.exitcode)


def weights(place: Place, training: Training, folder: Path) -> dict[str, torch.Tensor]:
    """What a training came to, which must not fail."""
    code = run(place, training, folder)
    if code:
        raise RuntimeError(f"expected a training that ends, found exit {code}")
    return load_file(folder / "weights.safetensors")


def largest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one)


def train(training: Training, folder: Path) -> None:
    """Train with dropout and augmentation, a checkpoint an epoch; a folder with one is continued."""
    folder.mkdir(exist_ok=True)
    with joined_ranks(torch.device(training.device)) as (ranks, device):
        seed_everything(7, ranks)
        network = learner(training)
        checkpoint = Checkpoint(folder / "checkpoint.pt", "proof", every_s=0.0)
        recipe = exact_recipe(epochs=EPOCHS, batch=BATCH, rest="keep")
        stages = np.arange(4 * BATCH) % 2
        crops = noise(len(stages), 64 if training.tiny else 224)
        report = partial(stop_at, training.kill_at)
        tune(
            network,
            crops,
            stages,
            recipe,
            "staging",
            report,
            device,
            LoopContext(ranks=ranks, checkpoint=checkpoint),
        )
        save_half(network, folder / "weights.safetensors")


def stop_at(step: int, progress: Progress) -> None:
    if step and progress.step >= step:
        os.kill(os.getpid(), signal.SIGKILL)


def learner(training: Training) -> nn.Module:
    """A network with dropout."""
    return small_network(dropout=0.3) if training.tiny else build("googlenet", 2)


def group_of_one(device_name: str, folder: Path) -> None:
    """One step of what several processes do."""
    device = torch.device(device_name)
    if device.type == "cuda":
        device = torch.device("cuda", 0)
        torch.cuda.set_device(device)
    store = distributed.FileStore(str(folder / "store"), 1)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=0, world_size=1)
    value = torch.ones(3, device=device)
    distributed.all_reduce(value)
    network: nn.Module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2)
    ).to(device)
    network(torch.zeros(2, 3, 8, 8, device=device))
    if device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    together = DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
    together(torch.randn(4, 3, 8, 8, device=device)).sum().backward()
    assert bool((value == 1).all())
    assert all(one.grad is not None for one in network.parameters())
    distributed.destroy_process_group()
