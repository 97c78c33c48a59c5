"""Runs the networks of a run over its crops: logits, and inputs of the last layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ra_node.inference.networks.loaded_network import load_network, network_input
from training.evaluation.evaluate import weights_path
from training.evaluation.task_calibration import CLASSES
from training.recipes.classifier import Recipe

Say = Callable[[int, int], None]


def run_outputs(
    run: Path, recipe: Recipe, images: NDArray[np.uint8], device: torch.device, say: Say
) -> Mapping[str, tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Logits (N, classes) and last-layer inputs (N, width) of both tasks for crops (N, side, side)."""
    made = {}
    for task, classes in CLASSES.items():
        head = (recipe.staging if task == "staging" else recipe.recognition).head
        network = load_network(recipe.architecture, classes, weights_path(run, task), device, head)
        made[task] = _outputs(network, recipe, images, say)
    return made


def _outputs(
    network: nn.Module, recipe: Recipe, images: NDArray[np.uint8], say: Say
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    seen: list[torch.Tensor] = []
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    device, batch = next(network.parameters()).device, recipe.staging.batch
    logits, features = [], []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            grey_NHW = torch.from_numpy(images[start : start + batch]).to(device)
            logits.append(network(network_input(grey_NHW, recipe.mean, recipe.std)).double().cpu().numpy())
            features.append(seen.pop().float().cpu().numpy())
            say(min(start + batch, len(images)), len(images))
    hook.remove()
    return np.concatenate(logits), np.concatenate(features)
