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
from tests.torture import resources, table
from tests.torture.blackout import STEPS, cut, record, steps_in_order
from tests.torture.broken import POISON_UID
from tests.torture.campaign import Campaign
from tests.torture.fuzz import fuzz
from tests.torture.hosts import LEASE_S, lose_a_host, lose_the_ledger
from tests.torture.load import studies
from tests.torture.points import LISTEN, POINTS
from tests.torture.poisoned import MATES, poison
from tests.torture.process import listening
from tests.torture.stalled import stall
from tests.torture.table import Row
from tests.torture.verdict import Verdict

Part = Callable[[Path, argparse.Namespace], Sequence[Row]]


def crashes(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """kill -9 of every role at every point, at random moments and of all at once."""
    with _pacs(folder) as pacs:
        campaign = Campaign(folder, pacs, asked.kills, asked.seed)
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


def poisoned(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """An image that kills its worker, in one batch with others."""
    found = poison(folder)
    return [
        ("deaths of the worker", str(found.deaths), found.deaths > 0),
        ("images buried", f"{len(found.buried)}, the poisonous one alone", found.buried == (POISON_UID,)),
        ("batch mates examined", f"{len(found.examined)} of {MATES}", len(found.examined) == MATES),
        (
            "studies answered",
            f"{found.answered} of {MATES + 1}, one with the reason",
            found.answered == MATES + 1,
        ),
    ]


def associations(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Very many associations, stuck peers, one too many, slow senders."""
    growth, ends, (rejection, freed) = resources.whole(folder, asked.associations, asked.seed)
    with listening(folder / "slow") as node:
        alone_s, beside_s = resources.beside_slow_senders(node, slow=15, stores=20)
    more_mib = growth.after.memory_mib - growth.before.memory_mib
    more_handles = growth.after.handles - growth.before.handles
    return [
        ("associations", f"{growth.associations} in {growth.seconds:.0f} s", not growth.failures),
        ("held before and after", str(growth), True),
        ("growth of memory", f"{more_mib:.1f} MiB", more_mib < MOST_GROWTH_MIB),
        ("growth of handles", str(more_handles), more_handles <= resources.CLIENTS),
        *(
            (f"stuck: {name}", "connection closed" if ended else "kept open", ended)
            for name, ended in ends.items()
        ),
        ("one association too many", f"rejected {rejection.hex(' ')}, freed place given", freed),
        ("20 images, alone and beside 15 slow senders", f"{alone_s:.1f} s, {beside_s:.1f} s", True),
    ]


def fuzzing(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Malformed, lying, nested, deflated, aborted: whatever a peer may say."""
    impatient = "[limits]\nassociation_idle_s = 2\nmin_free_gib = 0.1"
    with listening(folder, impatient) as node:
        found = fuzz(node, asked.cases, asked.seed)
    assert found.before is not None
    assert found.after is not None
    more_mib = found.after.memory_mib - found.before.memory_mib
    return [
        (
            "cases tried",
            f"{found.cases} in {found.seconds:.0f} s, seed {asked.seed}",
            found.cases == asked.cases,
        ),
        ("crashes", f"{len(found.crashes)} {found.crashes[:3] or ''}", not found.crashes),
        ("good senders not served afterwards", str(found.unserved), found.unserved == 0),
        ("files outside their folder", f"{len(found.strays)} {found.strays[:3] or ''}", not found.strays),
        ("growth of memory", f"{more_mib:.1f} MiB", more_mib < MOST_GROWTH_MIB),
        ("handles", f"{found.before.handles} -> {found.after.handles}", True),
    ]


def hosts(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Two hosts on PostgreSQL and common files: one dies; then the ledger is away for a minute."""
    with _pacs(folder) as pacs:
        taken = lose_a_host(folder / "host", pacs, 24, asked.seed)
        away = lose_the_ledger(folder / "ledger", pacs, 16, asked.outage, asked.seed + 1)
    status = f"0x{away.store_status or 0:04X}, afterwards 0x{away.status_afterwards or 0:04X}"
    return [
        ("jobs that the dead host held", str(taken.held_jobs), taken.held_jobs > 0),
        ("time to take them over and end them", f"{taken.jobs_s:.1f} s (lease {LEASE_S:g} s)", True),
        ("time until all was answered", f"{taken.rest_s:.1f} s", True),
        *_zeros("one host dead", taken.verdict),
        ("PostgreSQL away", f"{away.seconds:.0f} s", True),
        (
            "C-STORE meanwhile",
            status,
            (away.store_status or 0) & 0xFF00 == 0xA700 and not away.status_afterwards,
        ),
        ("new association meanwhile", "rejected, transient" if away.rejected else "accepted", away.rejected),
        (
            "roles that had to be started again",
            "none" if away.same_processes else "some",
            away.same_processes,
        ),
        *_zeros("ledger away", away.verdict),
    ]


def _zeros(when: str, verdict: Verdict) -> list[Row]:
    return [
        (
            f"{when}: acknowledged images lost",
            f"{len(verdict.lost)} of {verdict.acknowledged}",
            not verdict.lost,
        ),
        (
            f"{when}: studies unanswered",
            f"{len(verdict.unanswered)} of {verdict.studies}",
            not verdict.unanswered,
        ),
        (f"{when}: answers or facts doubled", str(len(verdict.doubled)), not verdict.doubled),
    ]


class _pacs:  # noqa: N801 - reads as the context manager that it is
    """A real Orthanc for one part."""

    def __init__(self, folder: Path) -> None:
        self._orthanc = Orthanc(find_tool("Orthanc"), folder / "orthanc")

    def __enter__(self) -> Orthanc:
        self._orthanc.start()
        return self._orthanc

    def __exit__(self, *_: object) -> None:
        self._orthanc.stop()


PARTS: dict[str, Part] = {
    "crashes": crashes,
    "power": power,
    "broken": broken,
    "poisoned": poisoned,
    "associations": associations,
    "fuzzing": fuzzing,
    "hosts": hosts,
}
MOST_GROWTH_MIB = 24.0
"""What the allocator of a process with many short threads may keep, whatever the number of associations."""


def main() -> int:
    """Run the parts that are asked for; 0 where every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200, help="processes killed at least")
    parser.add_argument("--associations", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=5_000, help="wrong conversations")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without PostgreSQL")
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
