"""The switches of a machine's faults reach a process that runs, and leave all other files alone."""

from __future__ import annotations

import subprocess
import sys

from tests.torture.faults import Faults

SCRIPT = """
import errno, sys, time
from datetime import UTC, datetime
from pathlib import Path
from apscheduler.schedulers import base
from ra_node.ledger.database.engine import open_ledger
from tests.torture.faults import Faults, inject

folder = Path(sys.argv[1])
before = time.time()
inject(folder / "faults", folder)
switches = Faults(folder / "faults")

def found(do):
    try:
        return do()
    except OSError as error:
        return errno.errorcode[error.errno]

def looked():
    image, other, made = folder / "inbox" / "a.dcm", folder / "other", folder / "incoming" / "b.part"
    return found(image.read_bytes), found(other.read_bytes), found(lambda: made.write_bytes(b"made"))

print(looked())
switches.fail(reads=errno.EIO, writes=errno.ENOSPC)
print(looked())
switches.fail()
switches.shift_s = 86400.0
ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite3")
clocks = [time.time(), ledger.clock(), base.datetime.now(UTC).timestamp()]
print(looked(), [round((clock - before) / 86400) for clock in clocks])
"""


def test_a_switch_is_felt_by_a_running_process(tmp_path):
    for folder in ("inbox", "incoming"):
        (tmp_path / folder).mkdir()
    (tmp_path / "inbox" / "a.dcm").write_bytes(b"image")
    (tmp_path / "other").write_bytes(b"other")
    Faults(tmp_path / "faults")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines() == [
        "(b'image', b'other', 4)",
        "('EIO', b'other', 'ENOSPC')",
        "(b'image', b'other', 4) [1, 1, 1]",
    ]
