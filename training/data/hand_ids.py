"""Split of the real radiographs for the hand detector: training and tuning, or evaluation only.

The split is derived from a hash of the id, so that training and benchmarks agree without a shared file, and
an added image does not change the split of others.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

Part = Literal["tuning", "held-out"]

HELD_OUT_SHARE = 0.3


def part_of(hand_id: str) -> Part:
    """The split of a radiograph: training and tuning, or held out."""
    place = int.from_bytes(hashlib.sha256(f"hand finder {hand_id}".encode()).digest()[:8], "big")
    return "held-out" if place < HELD_OUT_SHARE * 2**64 else "tuning"


def vetted() -> frozenset[str]:
    """Hands with marked joints whose outline by `training.simulation.true_outline` was verified by eye."""
    return frozenset((Path(__file__).parent / "vetted_hands.txt").read_text(encoding="ascii").split())
