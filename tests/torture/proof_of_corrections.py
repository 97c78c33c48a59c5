"""Part of the proof: what corrects, withdraws, re-issues or merges is killed at every commit."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from tests.torture.commits import at_every_commit
from tests.torture.corrections import CASES, worlds
from tests.torture.table import Row


def corrections(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Corrections, withdrawals, re-issued reports and merges, killed before and after every commit."""
    make, rows = worlds(folder), []
    for name in random.Random(asked.seed).sample(sorted(CASES), len(CASES)):
        case = CASES[name]
        try:
            kills = at_every_commit(lambda case=case: make(case.patient), case.work, case.judge)  # type: ignore[misc]
        except AssertionError as error:
            rows.append((name, f"not done once: {error}"[:200], False))
        else:
            rows.append((name, f"{kills} kills, done once each time, seed {asked.seed}", kills > 0))
    return rows
