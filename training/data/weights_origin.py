"""Provenance of weights: training patients, sources and terms of use, copied with the weights.

Stored in the metadata of a .safetensors file under one key, so that the same run gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open

from ra_node.errors import Fatal
from training.data.data_kind import ADULT_SOURCE, ADULT_TERMS, WORDS
from training.data.dataset import ADULT_ORIGINS, Crops

KEY, EARLIER_KEY = "origin", "learnt_from"
"""Metadata keys; the second is that of earlier versions, with the patients only."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Patients by the keys of their dataset; sources and terms as text, each once, oldest first."""

    learnt_from: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    complete: bool = True
    """False where weights were also trained on patients that were not recorded."""

    def over(self, start: Origin) -> Origin:
        """The origin of weights initialised from those of `start` and then trained on these hands."""
        return Origin(
            tuple(sorted({*self.learnt_from, *start.learnt_from})),
            _once(start.sources, self.sources),
            _once(start.terms, self.terms),
            self.complete and start.complete,
        )


def origin_of(crops: Crops) -> Origin:
    """The origin of weights trained on these hands; drawn hands have no patient."""
    real = crops.where(crops.origins != "phantom")
    words = WORDS["labelled" if (crops.origins == "labelled").any() else "simulated"]
    grown = bool(np.isin(real.origins, ADULT_ORIGINS).any())
    sources, terms = (words.source, ADULT_SOURCE), (words.terms, ADULT_TERMS)
    return Origin(
        tuple(sorted(set(map(str, real.patients)))),
        sources if grown else sources[:1],
        terms if grown else terms[:1],
    )


def metadata_of(origin: Origin) -> dict[str, str]:
    """The metadata of a weights file."""
    return {KEY: json.dumps(asdict(origin), sort_keys=True)}


def read_origin(weights: Path) -> Origin:
    """Read the origin of a weights file; raises Fatal for an invalid safetensors file.

    A third-party file may state its source; otherwise its name is used.
    """
    if weights.suffix != ".safetensors":
        return _foreign(weights)
    try:
        with safe_open(weights, "numpy") as file:
            held: Mapping[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise Fatal(f"expected a state file of tensors only in {weights}, found: {error}") from error
    if KEY in held:
        return TypeAdapter(Origin).validate_json(held[KEY])
    if EARLIER_KEY in held:
        words = WORDS["simulated"]
        return Origin(tuple(json.loads(held[EARLIER_KEY])), (words.source,), (words.terms,))
    return _foreign(weights, " ".join(held.get("source", "").split()))


def _foreign(weights: Path, source: str = "") -> Origin:
    """Origin of a third-party file: its name, and the source in its metadata, if any."""
    if source:
        named = f"State file {weights.name}: {source}"
        return Origin((), (named,), (f"Those of the state file {weights.name}: {source}.",))
    return Origin(
        (),
        (f"State file {weights.name}",),
        (f"Those of the state file {weights.name}, which does not state them.",),
    )


def _once(*parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for part in parts for line in part))
