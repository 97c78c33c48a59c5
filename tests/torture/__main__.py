"""`make torture`, or `python -m tests.torture --seed 1 --kills 200`: run the proof and print its tables."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from ra_node.runtime.log import configure_logging
from tests.torture import table
from tests.torture.proof_of_corrections import corrections
from tests.torture.proof_of_crashes import broken, crashes, poisoned, power
from tests.torture.proof_of_faults import clocks, faults, rot, sweep
from tests.torture.proof_of_outages import commitment, disk, hosts, outage
from tests.torture.proof_of_peers import associations, fuzzing
from tests.torture.proof_of_systemd import deb, offline, systemd, upgrade
from tests.torture.table import Row

Part = Callable[[Path, argparse.Namespace], Sequence[Row]]


PARTS: dict[str, Part] = {
    "crashes": crashes,
    "corrections": corrections,
    "power": power,
    "broken": broken,
    "poisoned": poisoned,
    "associations": associations,
    "fuzzing": fuzzing,
    "outage": outage,
    "commitment": commitment,
    "disk": disk,
    "hosts": hosts,
    "sweep": sweep,
    "rot": rot,
    "clocks": clocks,
    "faults": faults,
    "upgrade": upgrade,
}
ON_A_MACHINE: dict[str, Part] = {"systemd": systemd, "offline": offline, "deb": deb}
"""Named by `--only` alone: they make and boot a Debian machine (`make systemd`)."""


def main() -> int:
    """Run the parts that are asked for; 0 where every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200, help="processes killed at least")
    parser.add_argument("--associations", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=5_000, help="wrong conversations")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without PostgreSQL")
    parser.add_argument("--only", nargs="*", choices=[*PARTS, *ON_A_MACHINE], default=list(PARTS))
    parser.add_argument(
        "--debian", type=Path, help="a root that debootstrap made, copied instead of made anew"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="where everything is kept; default: a temporary folder, removed only after success",
    )
    asked = parser.parse_args()
    configure_logging("torture", level=logging.ERROR)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="ra-node-torture-"))
    kept = table.all_kept([_shown(name, folder, asked) for name in asked.only])
    if not kept:
        print(f"evidence: ledger, files, logs and PACS of each part are kept in {folder}")
    elif asked.folder is None:
        shutil.rmtree(folder)
    return 0 if kept else 1


def _shown(name: str, folder: Path, asked: argparse.Namespace) -> Sequence[Row]:
    started, part = time.monotonic(), {**PARTS, **ON_A_MACHINE}[name]
    rows: Sequence[Row]
    try:
        rows = part(folder / name, asked)
    except Exception as error:  # noqa: BLE001 - the other parts have something to say all the same
        traceback.print_exc()
        rows = [("could not be finished", f"{type(error).__name__}: {error}", False)]
    title = f"{name}: {(part.__doc__ or '').splitlines()[0]} ({time.monotonic() - started:.0f} s)"
    print("\n".join(table.lines(title, rows)), flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
