"""Subgroups of held-out hands by side, sex, age band and site, where known."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ra_node.errors import Fatal

Groups = Mapping[str, NDArray[np.str_]]
"""Attribute (side, sex, age band, site) to its value on every hand (N,), "" where unknown."""

ATTRIBUTES = ("side", "sex", "age_band", "site")
BANDS = (10, 15, 18, 40, 60)
"""Years at which an age band ends."""


def age_band(years: float) -> str:
    """Name the band of an age in years, such as "10-14" or "60+"."""
    for low, end in zip((0, *BANDS), BANDS, strict=False):
        if years < end:
            return f"{low}-{end - 1}"
    return f"{BANDS[-1]}+"


class DescribedHand(Protocol):
    """A hand with attributes of its patient; "" or None where unknown."""

    @property
    def side(self) -> str: ...
    @property
    def sex(self) -> str: ...
    @property
    def age_years(self) -> int | None: ...
    @property
    def site(self) -> str: ...


def groups_of(rows: Sequence[DescribedHand]) -> Groups:
    """The groups of hands by their rows; an attribute that no row has is left out."""
    values = {
        "side": [row.side for row in rows],
        "sex": [row.sex for row in rows],
        "age_band": ["" if row.age_years is None else age_band(row.age_years) for row in rows],
        "site": [row.site for row in rows],
    }
    return {name: np.array(held, np.str_) for name, held in values.items() if any(held)}


def read_groups(table: Path, patients: NDArray[np.str_]) -> Groups:
    """Look up patients (N,) in a CSV with `patient` and any of side, sex, age_years and site.

    Raises Fatal where the table has no column of patients or none of these, or an age is not a number.
    """
    with table.open(newline="") as lines:
        rows = {row.get("patient") or "": _attributes(row, table) for row in csv.DictReader(lines)}
    known = {name for held in rows.values() for name in held}
    if "" in rows or not known:
        raise Fatal(f"expected patient and side, sex, age_years or site in {table}, found no such row")
    missing: dict[str, str] = {}
    return {
        name: np.array([rows.get(str(one), missing).get(name, "") for one in patients], np.str_)
        for name in ATTRIBUTES
        if name in known
    }


def members(groups: Groups) -> dict[str, NDArray[np.bool_]]:
    """Which hands (N,) hold each value of each attribute, as "sex F"; the unknown are a group too."""
    return {
        f"{name.replace('_', ' ')} {value or 'unknown'}": values == value
        for name, values in groups.items()
        for value in sorted(set(map(str, values)))
    }


def _attributes(row: Mapping[str, str], table: Path) -> dict[str, str]:
    held = {name: row[name].strip() for name in ("side", "sex", "site") if row.get(name)}
    if row.get("age_years"):
        try:
            held["age_band"] = age_band(float(row["age_years"]))
        except ValueError:
            raise Fatal(f"expected an age in years in {table}, found {row['age_years']!r}") from None
    return held
