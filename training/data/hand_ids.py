"""Which real radiographs may teach and tune a hand finder, and which only measure it.

The part follows from a hash of the id alone, so that training and benchmarks agree without a shared
file, and an image that is added later moves no other one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

Part = Literal["tuning", "held-out"]

HELD_OUT_SHARE = 0.3


def part_of(hand_id: str) -> Part:
    """Say whether a radiograph is for training and tuning, or kept out of both."""
    place = int.from_bytes(hashlib.sha256(f"hand finder {hand_id}".encode()).digest()[:8], "big")
    return "held-out" if place < HELD_OUT_SHARE * 2**64 else "tuning"


def vetted() -> frozenset[str]:
    """Marked hands whose outline by `training.simulation.true_outline` was looked at and is right."""
    return frozenset((Path(__file__).parent / "vetted_hands.txt").read_text(encoding="ascii").split())
