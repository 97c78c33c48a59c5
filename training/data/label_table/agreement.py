"""Agreement of the two readers of a label table, kept in a dataset and in every run on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from ra_node.domain.statistics.agreement import Agreement, agreement_of
from training.data.consensus import LabelledHand

AGREEMENT = "agreement.json"
"""File name in a dataset and in every run on it."""

_AGREEMENTS = TypeAdapter(list[Agreement], config=ConfigDict(ser_json_inf_nan="strings"))


def dumped(found: Sequence[Agreement]) -> bytes:
    """The content of an agreement file."""
    return _AGREEMENTS.dump_json(list(found), indent=1) + b"\n"


def read_agreements(folder: Path) -> list[Agreement]:
    """Read the agreements of a dataset or a run; empty without the file."""
    path = folder / AGREEMENT
    return _AGREEMENTS.validate_json(path.read_bytes()) if path.exists() else []


def agreements(hands: Sequence[LabelledHand], seed: int = 0, resamples: int = 1000) -> list[Agreement]:
    """Agreement on hands, and on joints where labelled; empty without two readers.

    95 % intervals by bootstrap over patients, or over files where the table has no patients.
    """
    joints = [(r.first, r.second, _cluster(hand)) for hand in hands for r in hand.readings if r.joint]
    whole = [(hand.by_reader("first"), hand.by_reader("second"), _cluster(hand)) for hand in hands]
    found = [
        agreement_of(what, rows, seed, resamples) for what, rows in (("hands", whole), ("joints", joints))
    ]
    return [one for one in found if one is not None]


def _cluster(hand: LabelledHand) -> str:
    return hand.facts.patient or hand.file
