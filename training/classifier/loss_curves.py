"""Reads the training losses of a run, from either log format."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

Curve = list[tuple[float, float]]
"""(share of the training done in percent, or epoch; loss)"""


def read_losses(run: Path) -> tuple[dict[str, Curve], str]:
    """Losses by task and the name of their abscissa, "epoch" or "training done (%)"; empty without a log.

    `log.csv` has a row an epoch with at least task, epoch and loss (or train_loss); `log.jsonl` has a line
    a fiftieth of the steps.
    """
    for name in ("log.csv", "log.jsonl"):
        if (run / name).exists():
            lines = (run / name).read_text().splitlines()
            rows: Iterable[Mapping[str, object]] = (
                csv.DictReader(lines) if name.endswith("csv") else map(json.loads, lines)
            )
            return _curves(list(rows))
    return {}, "epoch"


def _curves(rows: list[Mapping[str, object]]) -> tuple[dict[str, Curve], str]:
    by_epoch = bool(rows) and "epoch" in rows[0]
    curves: dict[str, Curve] = {}
    for row in rows:
        loss = row.get("loss", row.get("train_loss"))
        if loss in {None, ""}:
            continue
        place = _number(row["epoch"]) if by_epoch else 100 * _number(row["step"]) / _number(row["steps"])
        curves.setdefault(str(row["task"]), []).append((place, _number(loss)))
    return curves, "epoch" if by_epoch else "training done (%)"


def _number(value: object) -> float:
    return float(str(value))
