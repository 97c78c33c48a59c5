"""A second, smaller peer, which does less than the node: its files lie in a folder before it begins.

It receives nothing, takes each half of the image for a hand, and explains nothing. What it judges, writes
and sends is as in `straightforward`. Beside it one sees what receiving, finding and explaining cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from pydicom import dcmread
from torch import nn

from tests.benchmarks.straightforward import (
    YELLOW,
    Grey,
    Hand,
    batch_of,
    grey_of,
    picture_of,
    report_of,
    send,
)


def answer_all(files: Sequence[Path], networks: Sequence[nn.Module], address: tuple[str, int]) -> None:
    """Answer each file, one after the other."""
    for path in files:
        answer(path, networks, address)


def answer(path: Path, networks: Sequence[nn.Module], address: tuple[str, int]) -> None:
    """Read, judge, write, send."""
    image = dcmread(path)
    grey = grey_of(image)
    hands = judged(grey, networks)
    send([report_of(image, hands), picture_of(image, drawn(grey, hands))], address)


def judged(grey: Grey, networks: Sequence[nn.Module]) -> list[Hand]:
    """Both halves in one batch through either network."""
    rows, middle, columns = grey.shape[0], grey.shape[1] // 2, grey.shape[1]
    with torch.inference_mode():
        x = batch_of([grey[:, :middle], grey[:, middle:]])
        diseased, stages = (network(x).softmax(1) for network in networks)
    boxes = ((0, 0, middle, rows), (middle, 0, columns, rows))
    return [Hand(*box, float(diseased[at, 1]), int(stages[at].argmax())) for at, box in enumerate(boxes)]


def drawn(grey: Grey, hands: Sequence[Hand]) -> np.ndarray:
    """The full-size picture (rows, columns, 3) with a line of text for each hand."""
    shown = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    for hand in hands:
        label = f"RA {100 * hand.disease:.0f} %, stage {hand.stage}"
        cv2.putText(shown, label, (hand.left + 20, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, YELLOW, 3)
    return shown
