"""Makes small bundles with random weights, for tests that need something to load."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.inference.hand_detector.networks import Reader, Seeker
from ra_node.inference.networks.architectures import build

SIDE_PX = 64
DEMO = Path(__file__).resolve().parents[2] / "config" / "bundles" / "demo"


def write_bundle(folder: Path, architecture: str = "googlenet", seed: int = 0) -> Path:
    """Write a whole bundle whose networks guess, but firmly: their last layer is made loud."""
    torch.manual_seed(seed)
    recognition = _task(folder, "recognition", architecture, ["normal", "rheumatoid arthritis"])
    staging = _task(folder, "staging", architecture, ["normal", *(f"stage {k}" for k in range(1, 6))])
    manifest = {
        "format": 1,
        "name": "guess",
        "version": "1",
        "manufacturer": "ra-node tests",
        "notice": "Random weights.",
        "preprocessing": {
            "id": PREPROCESSING_ID,
            "description": "as the node does",
            "side_px": SIDE_PX,
            "mean": 0.25,
            "std": 0.25,
        },
        "tasks": {"recognition": recognition, "staging": staging},
        "training": {},
        "provenance": {},
    }
    write_manifest(folder, manifest)
    return folder


def write_papers(folder: Path, name: str = "paper", version: str = "1", weights: bytes = b"w") -> Path:
    """Write a bundle that is whole on paper: its weights are a few bytes that no network takes."""
    manifest = read_manifest(DEMO)
    manifest.update(name=name, version=version, marker_reader=None)
    manifest["tasks"].pop("joints", None)
    finder = manifest["finder"]
    for part, told in (
        ("seeker", finder["seeker"]),
        ("reader", finder["reader"]),
        ("views", finder["views"]["weights"]),
    ):
        _written(folder, told, weights + part.encode())
    for task, told in manifest["tasks"].items():
        path = folder / task / "weights.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(weights + task.encode())
        told["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_manifest(folder, manifest)
    (folder / "card.md").write_text(f"# {name} {version}\n")
    return folder


def write_sibling(folder: Path, version: str, scale: float = 1.02) -> Path:
    """Write the demonstration bundle with slightly other weights, and a manifest that tells their hashes."""
    manifest = read_manifest(DEMO)
    manifest.update(version=version, marker_reader=None)
    manifest["tasks"].pop("joints", None)
    shutil.copytree(DEMO / "finder", folder / "finder")
    for task, told in manifest["tasks"].items():
        path = folder / task / "weights.safetensors"
        path.parent.mkdir(parents=True)
        state = load_file(DEMO / task / "weights.safetensors")
        decided = [key for key in state if key.endswith("weight")][-1]
        state[decided] = (scale * state[decided].float()).half()
        save_file(state, path)
        told["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_manifest(folder, manifest)
    (folder / "card.md").write_text("# A sibling of the demonstration bundle\n")
    return folder


def add_random_finder(folder: Path) -> Path:
    """Give a bundle a hand finder that has learnt nothing."""
    torch.manual_seed(0)
    (folder / "finder").mkdir()
    part: dict[str, Any] = {
        "name": "guess finder",
        "side_px": 160,
        "figures": {},
        "figures_on": "nothing",
        "trained_on": "nothing",
    }
    for name, network in (("seeker", Seeker()), ("reader", Reader())):
        path = folder / "finder" / f"{name}.safetensors"
        save_file(
            {k: t.half() if t.is_floating_point() else t for k, t in network.state_dict().items()}, path
        )
        part[name] = {
            "path": f"finder/{name}.safetensors",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    write_manifest(folder, read_manifest(folder) | {"finder": part})
    return folder


def _written(folder: Path, told: dict[str, Any], content: bytes) -> None:
    """Write a file of weights, and its hash into what a manifest tells of it."""
    path = folder / told["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    told["sha256"] = hashlib.sha256(content).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())  # type: ignore[no-any-return]


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _task(folder: Path, name: str, architecture: str, classes: list[str]) -> dict[str, Any]:
    path = folder / name / "weights.safetensors"
    path.parent.mkdir(parents=True)
    network = build(architecture, len(classes))
    state = network.state_dict()
    decided = [key for key in state if key.endswith("weight")][-1]
    state[decided] = 50000 * state[decided]
    save_file({k: t.half() if t.is_floating_point() else t for k, t in state.items()}, path)
    return {
        "architecture": architecture,
        "classes": classes,
        "weights": f"{name}/weights.safetensors",
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "temperature": 1.5,
        "operating_points": [0.4] if name == "recognition" else [0.2] * 6,
        "metrics": {"auc": [0.5, 0.4, 0.6]},
        "metrics_on": "no hands at all",
    }
