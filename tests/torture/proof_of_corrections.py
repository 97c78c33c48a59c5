"""Part of the proof: what corrects, withdraws, re-issues or merges is killed at every commit."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from tests.torture.commits import at_every_commit
from tests.torture.corrections import CASES, worlds
from tests.torture.corrector import campaign_of
from tests.torture.pacs import pacs
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
    return [*rows, *_campaign(folder / "processes", asked)]


def _campaign(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The same with real processes, which are killed while a modality corrects and an operator withdraws."""
    with pacs(folder) as running:
        campaign = campaign_of(folder, running, asked.kills, asked.seed)
        campaign.run(drain_s=1800)
        ending = campaign.ending()
    score = campaign.score
    kills = Counter(words for (_, words), count in score.kills.items() for _ in range(count))
    at_points = sum(kills[words] for words in {point.words for point in campaign.points})
    return [
        (
            "kills of processes",
            f"{score.total} in {score.seconds:.0f} s, {at_points} of them at points",
            True,
        ),
        (
            "corrected while roles were killed",
            f"{ending.studies} studies, {ending.corrections} corrections, {ending.withdrawn} withdrawn",
            ending.corrections > 0,
        ),
        (
            "studies without exactly one current result of the right patient",
            "; ".join(ending.wrong[:3]) or "0",
            not ending.wrong,
        ),
    ]
