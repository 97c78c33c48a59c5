"""Asks the registry which of the locked packages have known holes: `python -m tests.audit`.

Exit 1 for a hole. What could not be asked, because the registry is out of reach or does not know a
package, is counted and told, never taken for sound; with RA_NODE_REQUIRE_AUDIT=1 it is a failure too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"


def judged(report: Mapping[str, Any]) -> tuple[list[str], int, int]:
    """The holes in words, and how many packages were asked about and how many could not be."""
    packages = report["dependencies"]
    skipped = sum("skip_reason" in one for one in packages)
    return list(_holes(packages)), len(packages) - skipped, skipped


def _holes(packages: list[Mapping[str, Any]]) -> Iterator[str]:
    for one in packages:
        for hole in one.get("vulns", ()):
            mended = ", ".join(hole["fix_versions"]) or "no version yet"
            yield f"{one['name']} {one['version']}: {hole['id']}, mended in {mended}"


def main() -> int:
    """Run pip-audit on the lock file and judge its report."""
    beside = str(Path(sys.executable).parent / "pip-audit")
    argv = [beside, "-r", str(LOCK), "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    done = subprocess.run([*argv, "-f", "json"], capture_output=True, text=True, check=False, timeout=600)
    strict = os.environ.get("RA_NODE_REQUIRE_AUDIT") == "1"
    try:
        holes, asked, skipped = judged(json.loads(done.stdout))
    except (ValueError, KeyError):
        print(f"not audited, the registry is out of reach: {done.stderr.strip().splitlines()[-1:]}")
        return int(strict)
    print(
        "\n".join(
            [*holes, f"{asked} packages asked about, {len(holes)} holes, {skipped} could not be asked about"]
        )
    )
    return int(bool(holes) or (strict and bool(skipped)))


if __name__ == "__main__":
    sys.exit(main())
