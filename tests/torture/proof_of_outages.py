"""Parts of the proof in which something is away: a destination, a promise, the disk, a host, the ledger."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.torture.full_disk import FILLED_GIB, fill_up, room_for_the_proof
from tests.torture.hosts import LEASE_S, lose_a_host, lose_the_ledger
from tests.torture.outage import DOWN, OUTAGE_H, STUDIES, UP, run_outage
from tests.torture.pacs import pacs
from tests.torture.storage_commitment import promised
from tests.torture.table import Row
from tests.torture.verdict import Verdict


def outage(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """A destination is down for days of simulated time, a second one is not."""
    found = run_outage()
    seen = {peer: found.arrived(peer) for peer in (DOWN, UP)}
    missing = [uid for uid in found.wanted if not all(uid in set(uids) for uids in seen.values())]
    twice = sum(len(uids) - len(set(uids)) for uids in seen.values())
    in_order = all(uids == found.wanted for uids in seen.values())
    back_min, delay_s = found.after_the_return_s / 60, found.delay_of_the_other_s
    return [
        ("destination down", f"{OUTAGE_H} simulated hours, {STUDIES} studies of two objects", True),
        ("attempts meanwhile", f"{len(found.network.attempts)}, an hour apart at most", True),
        ("objects lost", f"{len(missing)} of {len(found.wanted)} at two destinations", not missing),
        ("objects sent twice", str(twice), twice == 0),
        ("in order of age", "yes" if in_order else "no", in_order),
        ("all there after its return", f"{back_min:.0f} simulated minutes", back_min <= 60),
        ("longest delay of the second destination", f"{delay_s:.3f} simulated s", delay_s < 0.01),
    ]


def commitment(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Storage commitment with a real Orthanc."""
    words = {
        "all_kept": ("accepts", 1),
        "one_lost": ("has lost one of two: that one is sent and asked again", 2),
        "silent": ("its report never comes: it is asked again", 2),
    }
    return [
        (
            words[name][0],
            f"asked {one.asked} times, {one.copies} objects kept and promised after {one.seconds:.1f} s",
            one.committed and (one.asked, one.copies) == (words[name][1], 2),
        )
        for name, one in promised(folder).items()
    ]


def disk(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The disk fills up under a node at work, and has room again."""
    folder.mkdir(parents=True, exist_ok=True)
    if not room_for_the_proof(folder):
        return [("disk full", f"not tried: expected {FILLED_GIB + 2} GiB free", False)]
    with pacs(folder) as running:
        found = fill_up(folder, running, 12, asked.seed)
    status = found.refusal.status
    return [
        (
            f"C-STORE when {FILLED_GIB} GiB are gone",
            f"0x{status or 0:04X} after {found.refused_after_s:.1f} s",
            status == 0xA700,
        ),
        ("files taken in meanwhile", str(found.written_meanwhile), found.written_meanwhile == 0),
        ("C-STORE when they are free again", f"0x0000 after {found.mended_after_s:.1f} s", True),
        *zeros("disk full", found.verdict),
    ]


def hosts(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Two hosts on PostgreSQL and common files: one dies; then the ledger is away for a minute."""
    with pacs(folder) as running:
        taken = lose_a_host(folder / "host", running, 24, asked.seed)
        away = lose_the_ledger(folder / "ledger", running, 16, asked.outage, asked.seed + 1)
    status = f"0x{away.store_status or 0:04X}, afterwards 0x{away.status_afterwards or 0:04X}"
    return [
        ("jobs that the dead host held", str(taken.held_jobs), taken.held_jobs > 0),
        ("time to take them over and end them", f"{taken.jobs_s:.1f} s (lease {LEASE_S:g} s)", True),
        ("time until all was answered", f"{taken.rest_s:.1f} s", True),
        *zeros("one host dead", taken.verdict),
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
        *zeros("ledger away", away.verdict),
    ]


def zeros(when: str, verdict: Verdict) -> list[Row]:
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
