"""The tables of the proof, and the training on what was exported."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path
from statistics import median

from ra_node.bootstrap.node_context import State
from ra_node.domain.joints import JOINTS
from tests.conftest import REPOSITORY
from tests.torture.reading.readers import Traffic, truth_of
from tests.torture.reading.recorded import labels_of, recorded
from tests.torture.reading.site import NAME, node_command, run

THINK_NORMAL_S, THINK_JOINT_S = 12.0, 8.0
"""Stated: a radiologist looks 12 s at a hand, and 8 s more at each joint with a lesion."""


def train_on(folder: Path, python: str) -> list[str]:
    """Export, prepare, split, train one epoch, evaluate; the lines that tell of the result."""
    node = str(folder / "node.toml")
    told = [
        run(*node_command("reader-study", "export", NAME, "--out", str(folder / "export"), "--config", node))
    ]
    training = (python, "-m", "training")
    data, split, out = folder / "data", folder / "split.json", folder / "run"
    told.append(run(*training, "prepare", "--images", str(folder / "export"), "--out", str(data)))
    told.append(run(*training, "split", "--dataset", str(data), "--out", str(split)))
    text = (REPOSITORY / "config" / "training" / "site.toml").read_text()
    recipe = folder / "short.toml"
    recipe.write_text(re.sub(r"(?m)^epochs = \d+", "epochs = 1", text).replace('"googlenet"', '"alexnet"'))
    recipe.write_text(recipe.read_text().replace('start = "demo"', 'start = "none"'))
    run(
        *training,
        "train",
        "--config",
        str(recipe),
        "--dataset",
        str(data),
        "--split",
        str(split),
        "--out",
        str(out),
    )
    told.append(run(*training, "evaluate", "--run", str(out), "--resamples", "100"))
    return told


def kappa_by_scikit_learn(export: Path) -> tuple[float, float]:
    """Quadratic kappa of joints and of hands, from the exported table."""
    from sklearn.metrics import cohen_kappa_score

    with (export / "labels.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = [
            row for row in csv.DictReader(stream) if row["reader_1"].isdigit() and row["reader_2"].isdigit()
        ]
    joints = [(int(row["reader_1"]), int(row["reader_2"])) for row in rows if row["joint"]]
    hands: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row["joint"]:
            a, b = hands.get(row["file"] + row["side"], (0, 0))
            hands[row["file"] + row["side"]] = (max(a, int(row["reader_1"])), max(b, int(row["reader_2"])))
    scores = [cohen_kappa_score(*zip(*pairs, strict=True), weights="quadratic", labels=range(6))
              for pairs in (joints, list(hands.values()))]  # fmt: skip
    return scores[0], scores[1]


def report(
    folder: Path,
    state: State,
    study: str,
    hands: dict[str, str],
    traffic: dict[str, Traffic],
    seconds: list[float],
    decided: int,
    shown: str,
    *,
    training: bool,
) -> int:
    """Print what was proven; 0 where every promise was kept."""
    faults = [fault for name, one in traffic.items() for fault in _kept(state, study, hands, name, one)]
    alice = traffic["alice"]
    searched = f"{alice.bytes_seen / 1e6:.0f} MB searched for {len(alice.forbidden)} marked values"
    print(f"traffic of alice: {searched}, found {sorted(alice.found)}")
    faults += sorted(alice.found)
    print(f"discrepant hands decided: {decided}")
    _say_times(sorted(seconds))
    print("the lead's page says:\n" + shown)
    if training:
        for text in train_on(folder, sys.executable):
            print("\n".join(text.strip().splitlines()[-12:]))
        joints, whole = kappa_by_scikit_learn(folder / "export")
        print(f"scikit-learn on the export: quadratic kappa of joints {joints:.3f}, of hands {whole:.3f}")
        faults += [] if all(f"{one:.3f}" in shown for one in (joints, whole)) else ["kappa differs"]
    print(f"{len(faults)} faults {faults[:5]}; kept in {folder}")
    return 1 if faults else 0


def _kept(state: State, study: str, hands: dict[str, str], name: str, traffic: Traffic) -> list[str]:
    """What was lost, doubled or other than typed."""
    ids, labels = recorded(state, study, name)
    sent, lost, doubled = set(traffic.sent), set(traffic.saved) - set(ids), len(ids) - len(set(ids))
    print(
        f"{name}: {len(sent)} actions in {len(traffic.sent)} requests, {len(ids)} in the ledger;"
        f" shown as saved and lost: {len(lost)}; doubled: {doubled}"
    )
    normal = dict.fromkeys(JOINTS, 0)
    wrong = [task for task, kept in labels.items() if labels_of(kept) != normal | truth_of(hands[task], name)]
    print(f"{name}: {len(labels)} hands, {len(wrong)} with other labels than typed")
    differ = ["sent and recorded differ"] if sent != set(ids) else []
    return [*lost, *wrong, *differ, *(["doubled"] * doubled)]


def _say_times(times: list[float]) -> None:
    page, slow = median(times), times[int(0.95 * len(times))]
    lesions = page + THINK_NORMAL_S + 3 * THINK_JOINT_S
    print(f"page time a hand, scripted: median {page:.2f} s, 95 % below {slow:.2f} s")
    print(f"with {THINK_NORMAL_S:.0f} s of looking: {page + THINK_NORMAL_S:.1f} s a hand without lesions")
    print(f"with {THINK_JOINT_S:.0f} s more for each of three joints: {lesions:.1f} s a hand with lesions")
