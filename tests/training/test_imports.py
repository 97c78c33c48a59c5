"""Commands that need no torch start without it: its import alone costs 4 s of CPU."""

from __future__ import annotations

import subprocess
import sys

TORCH_FREE = (
    "training.__main__",
    "training.data.split",
    "training.data.label_table.annotations",
    "training.report.page",
    "training.report.figures",
    "training.experiments.verdicts",
    "training.joints.evaluate",
    "training.joints.export",
)
"""All commands with their help, and the modules of labels, split, report, figures and comparisons."""


def test_they_import_no_torch() -> None:
    names = ", ".join(TORCH_FREE)
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
