"""`make torture`, or `python -m tests.torture --seed 1 --kills 200`: run the proof and print its tables."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ra_node.log import configure_logging
from ra_node.network.archive import Archive
from tests.conftest import find_tool
from tests.node.harness import ROLES, Orthanc
from tests.torture import table
from tests.torture.blackout import STEPS, cut, record, steps_in_order
from tests.torture.campaign import Campaign
from tests.torture.load import studies
from tests.torture.points import LISTEN, POINTS
from tests.torture.stalled import stall
from tests.torture.table import Row

Part = Callable[[Path, argparse.Namespace], Sequence[Row]]


def crashes(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """kill -9 of every role at every point, at random moments and of all at once."""
    with _pacs(folder) as pacs:
        campaign = Campaign(folder, pacs, asked.kills, asked.seed)
        verdict = campaign.run(drain_s=1800)
    score = campaign.score
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
        ("acknowledged images lost", str(len(verdict.lost)), not verdict.lost),
        ("studies unanswered", str(len(verdict.unanswered)), not verdict.unanswered),
        ("answers doubled", str(len(verdict.doubled)), not verdict.doubled),
    ]


def _covered(missing: Sequence[object], role: str) -> str:
    points = sum(point.role == role for point in POINTS)
    return f"{points - len(missing)} of {points} points"


def power(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The power is cut at every moment of a history; what was not synced is gone, or half of it is."""
    with Archive(folder / "archive") as archive:
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
        with Archive(place / "archive") as archive:
            images = [
                one
                for _, study in zip(range(4), studies(place / "sent", 1, 0.0), strict=False)
                for one in study
            ]
            done = record(place, images, ["listen"], ("archive", "ARCHIVE", archive.port), name)
        cuts = cut(done, place / "cut", asked.seed)
        rows.append((f"{name}, power cut", f"seen: {len(cuts.lost)} times an image lost", bool(cuts.lost)))
    with _pacs(folder) as pacs:
        sent = [point for point in LISTEN if point.words == "answer handed to the socket"]
        early = "acknowledge before the commit"
        campaign = Campaign(folder / "early", pacs, 4, asked.seed, early, sent, ["listen"])
        lost = len(campaign.run().lost)
    rows.append((f"{early}, kill -9", f"seen: {lost} images lost", lost > 0))
    fenced, unfenced = stall(folder / "fenced"), stall(folder / "unfenced", "drop the fence")
    kept = fenced.gave_way and not fenced.told_twice
    rows.append(
        ("worker wakes up after its lease", f"gave way, {len(fenced.told_twice)} facts told twice", kept)
    )
    twice = len(unfenced.told_twice)
    rows.append(("drop the fence, same worker", f"seen: {twice} facts told twice", twice > 0))
    return rows


class _pacs:  # noqa: N801 - reads as the context manager that it is
    """A real Orthanc for one part."""

    def __init__(self, folder: Path) -> None:
        self._orthanc = Orthanc(find_tool("Orthanc"), folder / "orthanc")

    def __enter__(self) -> Orthanc:
        self._orthanc.start()
        return self._orthanc

    def __exit__(self, *_: object) -> None:
        self._orthanc.stop()


PARTS: dict[str, Part] = {"crashes": crashes, "power": power, "broken": broken}


def main() -> int:
    """Run the parts that are asked for; 0 where every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200, help="processes killed at least")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--folder", type=Path, help="where everything is kept; default: a temporary folder")
    asked = parser.parse_args()
    configure_logging("torture", level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="ra-node-torture-") as temporary:
        folder = asked.folder or Path(temporary)
        return 0 if table.all_kept([_shown(name, folder, asked) for name in asked.only]) else 1


def _shown(name: str, folder: Path, asked: argparse.Namespace) -> Sequence[Row]:
    started = time.monotonic()
    rows = PARTS[name](folder / name, asked)
    title = f"{name}: {(PARTS[name].__doc__ or '').splitlines()[0]} ({time.monotonic() - started:.0f} s)"
    print("\n".join(table.lines(title, rows)), flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
