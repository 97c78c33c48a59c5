"""The whole table of measurements by one command.

    python -m tests.benchmarks [ROWS ...] [--taste] [--save FILE] [--against FILE]

ROWS are names of parts (`receive`, ...); without any, all of them. `--save` keeps the table, a part as soon
as it is measured; `--against` shows what has changed since one was kept. Every ratio is to a peer or a limit
of the same run. The whole needs 8 GB of disk and some twenty quiet minutes; `gpu` and `training` need a CUDA
device, and some minutes more where there is one.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from ra_node.runtime.log import configure_logging
from tests.benchmarks.scale import TASTE, WHOLE, Scale
from tests.benchmarks.table import Row, lines, save, saved

PARTS = {
    "receive": "receiving",
    "answer": "answering",
    "burst": "burst",
    "steps": "steps",
    "rest": "resting",
    "growth": "growth",
    "reader-studies": "reader_studies",
    "operator-page": "operator_page",
    "gpu": "gpu",
    "training": "gpu_training",
}
Measure = Callable[[Path, Scale], Iterator[Row]]


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure the chosen parts, print their table, and return its rows."""
    chosen = _parsed(arguments)
    configure_logging("benchmark", level=logging.WARNING)
    scale = TASTE if chosen.taste else WHOLE
    scale = replace(scale, burst=chosen.burst or scale.burst, answers=chosen.answers or scale.answers)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ra-node-benchmark-") as name:
        for part in chosen.rows or PARTS:
            start = time.monotonic()
            folder = Path(name) / part
            folder.mkdir()
            for row in measure_of(part)(folder, scale):
                rows.append(row)
                print(f"{part}: {row.name}: {row.ours}", flush=True)
            print(f"{part}: {time.monotonic() - start:.0f} s", flush=True)
            if chosen.save:
                save(rows, chosen.save)
            shutil.rmtree(folder)
    before = saved(chosen.against) if chosen.against else {}
    print("\n".join(lines(rows, before)), flush=True)
    return rows


def measure_of(part: str) -> Measure:
    """The measurement of a part; imported only now, since some load the networks."""
    return cast("Measure", import_module(f"tests.benchmarks.{PARTS[part]}").measure)


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", choices=[*PARTS, []], help="parts of the table; all without any")
    parser.add_argument("--taste", action="store_true", help="every part once and small, to see that it runs")
    parser.add_argument("--burst", type=int, help="studies of the burst")
    parser.add_argument("--answers", type=int, help="studies that are answered one after the other")
    parser.add_argument("--save", type=Path, help="keep the table in this file")
    parser.add_argument("--against", type=Path, help="show beside it what an earlier run had")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
