"""Parts of the proof in which the machine is wrong: its ledger, its files, its clock, its system calls."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.torture.bit_rot import rot as harm
from tests.torture.clocks import jump
from tests.torture.machine_faults import run_machine_faults
from tests.torture.pacs import pacs
from tests.torture.proof_of_crashes import _named
from tests.torture.proof_of_outages import zeros
from tests.torture.table import Row
from tests.torture.wrong_ledger import sweep_for_real


def sweep(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """A wrong ledger or a wrong data folder, with the sweep and the purge each second."""
    with pacs(folder) as running:
        found = sweep_for_real(folder, running, asked.seed)
    rows: list[Row] = [
        (
            name.rstrip("."),
            str(kept),
            kept.right,
        )
        for name, kept in found.cases.items()
    ]
    rows += [
        (f"{name}, same sweep", f"seen: {removed} files removed or moved", removed > 0)
        for name, removed in found.broken.items()
    ]
    return [*rows, *zeros("ledger put back", found.verdict)]


def rot(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Files change on the disk at every step of their way."""
    with pacs(folder) as running:
        found = harm(folder, running, asked.seed)
    named, harmed = found.scrubbed
    return [
        (
            "images harmed before their report",
            f"{found.harmed}: {found.refused} answered with that reason, {found.alarmed} alarms",
            found.harmed == found.refused == found.alarmed,
        ),
        ("wrong reports, wrong objects delivered", _named(found.wrong), not found.wrong),
        ("results harmed before their delivery", f"{found.results}, rebuilt", found.results > 0),
        ("named by `ra-node scrub`", f"{named} of {harmed} harmed files", named == harmed),
        (
            "good copy sent again",
            f"{found.mended} of {found.harmed} reported, {found.alarms_left} alarms left",
            found.mended == found.harmed and not found.alarms_left,
        ),
        ("skip the digest", f"seen: {_named(found.unseen)}", bool(found.unseen)),
        *zeros("files whole again", found.verdict),
    ]


def clocks(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The wall clock of all roles jumps, at work and at their start."""
    with pacs(folder) as running:
        found = jump(folder, running, asked.seed)
    rows: list[Row] = [(name, str(one), one.right) for name, one in found.jumps.items()]
    rows += [
        (name, f"seen: {what}" if what else "NOT SEEN", bool(what)) for name, what in found.broken.items()
    ]
    return [*rows, *zeros("clocks right again", found.verdict)]


def faults(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """A machine that cannot read, open or write for a while."""
    with pacs(folder) as running:
        found = run_machine_faults(folder, running, asked.seed)
    rows: list[Row] = [(name, str(one), one.right) for name, one in found.faults.items()]
    rows.append(
        ("C-STORE while writes give ENOSPC", "refused" if found.refused else "SUCCESS", found.refused)
    )
    rows += [
        (name, f'seen: {blamed} images answered "analysis failed"', blamed > 0)
        for name, blamed in found.broken.items()
    ]
    return [*rows, *zeros("faults over", found.verdict)]
