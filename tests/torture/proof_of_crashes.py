"""Parts of the proof that kill: processes, the power, a worker by its image; and the guarantees that hold."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ra_node.network.scp.loopback_archive import LoopbackArchive
from tests.node.harness import ROLES
from tests.torture.broken import POISON_UID
from tests.torture.campaign import Campaign
from tests.torture.load import studies
from tests.torture.pacs import pacs
from tests.torture.points import LISTEN, POINTS
from tests.torture.poisoned import MATES, poison
from tests.torture.power_cut import STEPS, cut, record, steps_in_order
from tests.torture.stalled import stall
from tests.torture.table import Row


def crashes(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """kill -9 of every role at every point, at random moments and of all at once."""
    with pacs(folder) as running:
        campaign = Campaign(folder, running, asked.kills, asked.seed)
        verdict = campaign.run(drain_s=1800)
    score = campaign.score
    committed, accepted = campaign.committed()
    rows = [
        (
            f"kills of {role}",
            f"{score.of(role)}, {_covered(score.missing(role), role)}",
            not score.missing(role),
        )
        for role in ROLES
    ]
    return [
        ("kills", f"{score.total} in {score.seconds:.0f} s, seed {asked.seed}", score.total >= asked.kills),
        *rows,
        (
            "acknowledged",
            f"{verdict.acknowledged} images of {verdict.studies} studies",
            verdict.acknowledged > 0,
        ),
        ("sent again after an acknowledgement", f"{campaign.told.repeats} images", True),
        ("answers in the PACS", f"{verdict.answers}, later images made revisions", True),
        ("jobs that an operator had to bring back", str(score.buried), True),
        (
            "results that the PACS promised to keep",
            f"{committed} of {accepted} accepted",
            committed == accepted,
        ),
        ("acknowledged images lost", _named(verdict.lost), not verdict.lost),
        ("studies unanswered", _named(verdict.unanswered), not verdict.unanswered),
        ("answers doubled", _named(verdict.doubled), not verdict.doubled),
    ]


def _named(found: Sequence[str]) -> str:
    """How many there are, and the first three by name."""
    return f"{len(found)}: {', '.join(found[:3])}" if found else "0"


def _covered(missing: Sequence[object], role: str) -> str:
    points = sum(point.role == role for point in POINTS)
    return f"{points - len(missing)} of {points} points"


def power(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The power is cut at every moment of a history; what was not synced is gone, or half of it is."""
    with LoopbackArchive(folder / "archive") as archive:
        drawn = studies(folder / "sent", asked.seed, hands_share=0.2)
        images = [image for _ in range(16) for image in next(drawn)]
        done = record(folder, images, ROLES, ("archive", "ARCHIVE", archive.port))
        cuts = cut(done, folder / "cut", asked.seed)
    orders = [tuple(steps_in_order(done, one)) for one in done.acknowledged]
    right = sum(order == STEPS for order in orders)
    return [
        ("system calls traced", f"{len(done.calls)} of {len(ROLES)} roles", True),
        ("order of syncs", " -> ".join(STEPS), True),
        ("acknowledgements in this order", f"{right} of {len(orders)}", 0 < right == len(orders)),
        ("power cuts", f"{cuts.cuts}, seed {asked.seed}", cuts.cuts > 0),
        ("acknowledged images lost", f"{len(cuts.lost)} of {cuts.acknowledged} looked for", not cuts.lost),
        ("rows whose file is not whole", str(len(cuts.dangling)), not cuts.dangling),
    ]


def broken(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Each guarantee broken on purpose: the proof is worth something only where it fails then."""
    rows: list[Row] = []
    for name in (
        "skip the sync",
        "skip the folder sync",
        "commit without sync",
        "acknowledge before the commit",
    ):
        place = folder / name.replace(" ", "-")
        with LoopbackArchive(place / "archive") as archive:
            images = [
                one
                for _, study in zip(range(4), studies(place / "sent", 1, 0.0), strict=False)
                for one in study
            ]
            done = record(place, images, ["listen"], ("archive", "ARCHIVE", archive.port), name)
        cuts = cut(done, place / "cut", asked.seed)
        rows.append((f"{name}, power cut", f"seen: {len(cuts.lost)} times an image lost", bool(cuts.lost)))
    with pacs(folder) as running:
        sent = [point for point in LISTEN if point.words == "answer handed to the socket"]
        early = "acknowledge before the commit"
        campaign = Campaign(
            folder / "early", running, 4, asked.seed, early, sent, ["listen"], patience_s=300.0
        )
        lost = len(campaign.run().lost)
    rows.append((f"{early}, kill -9", f"seen: {lost} images lost", lost > 0))
    fenced, unfenced = stall(folder / "fenced"), stall(folder / "unfenced", "drop the fence")
    kept = fenced.gave_way and not fenced.duplicate_facts
    rows.append(
        ("worker wakes up after its lease", f"gave way, {len(fenced.duplicate_facts)} facts told twice", kept)
    )
    twice = len(unfenced.duplicate_facts)
    rows.append(("drop the fence, same worker", f"seen: {twice} facts told twice", twice > 0))
    return rows


def poisoned(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """An image that kills its worker, in one batch with others."""
    found = poison(folder)
    return [
        ("deaths of the worker", str(found.deaths), found.deaths > 0),
        ("images buried", f"{len(found.buried)}, the poisonous one alone", found.buried == (POISON_UID,)),
        ("batch mates examined", f"{len(found.examined)} of {MATES}", len(found.examined) == MATES),
        (
            "studies reported",
            f"{found.answered} of {MATES + 1}, one with the reason",
            found.answered == MATES + 1,
        ),
    ]
