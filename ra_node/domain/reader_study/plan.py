"""The plan of a reader study, fixed when it is created: which hands, how they are read and compared."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ra_node.errors import Refused

DEFAULT_REPEATS = 0.1
MOST_REPEATS = 0.5


class SamplingKind(StrEnum):
    """Which hands of the source are read."""

    ALL = "all"
    RANDOM = "random"
    """`count` hands, drawn with the seed."""
    STAGE = "stage"
    """`count` hands, as equally as possible over the model's stages 0 to 5."""
    SOURCE = "source"
    """`count` hands, as equally as possible over the sources (station, AE title or folder)."""
    DISCORDANT = "discordant"
    """Only hands on which recognition, staging and joints of the model contradict each other."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """A sampling plan; `count` 0 takes all that qualify."""

    kind: SamplingKind = SamplingKind.ALL
    count: int = 0
    seed: int = 2024


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What is fixed before the first hand is read."""

    sampling: Sampling = Sampling()
    repeats: float = DEFAULT_REPEATS
    """Share of the hands that come up a second time, unmarked."""
    by_joint: bool = False
    """Stages of the thirteen joints instead of one stage of the whole hand."""
    threshold: Literal[1, 2] = 1
    """Difference in stages from which two readings are a discrepancy."""
    reveal: bool = False
    """Show a reader the model's answer after his reading is closed, for a second opinion kept apart."""


def checked_plan(plan: StudyPlan) -> StudyPlan:
    """The plan as it is; Refused for a value out of range."""
    if not 0 <= plan.repeats <= MOST_REPEATS:
        raise Refused(f"expected a share of repeats of 0 to {MOST_REPEATS}, found {plan.repeats}")
    if plan.threshold not in (1, 2):
        raise Refused(f"expected a threshold of 1 or 2 stages, found {plan.threshold}")
    if plan.sampling.count < 0:
        raise Refused(f"expected a number of hands, found {plan.sampling.count}")
    needs_count = plan.sampling.kind in (SamplingKind.RANDOM, SamplingKind.STAGE, SamplingKind.SOURCE)
    if needs_count and plan.sampling.count < 1:
        raise Refused(f"expected a number of hands for the sampling {plan.sampling.kind}, found none")
    return plan


def drawn(sampling: Sampling, strata: Sequence[str | None]) -> list[int]:
    """The numbers of the chosen hands, in order; `strata` holds the stratum of each hand.

    None is a hand that does not qualify (no answer of the model, or not discordant). A stratum with too few
    hands gives all that it has, and the others give more.
    """
    qualified = [number for number, stratum in enumerate(strata) if stratum is not None]
    if not sampling.count or sampling.count >= len(qualified):
        return qualified
    rng = random.Random(sampling.seed)  # noqa: S311 - a sample, no secret
    groups: dict[str, list[int]] = {}
    for number in qualified:
        groups.setdefault(str(strata[number]), []).append(number)
    for name in sorted(groups):
        rng.shuffle(groups[name])
    chosen: list[int] = []
    while len(chosen) < sampling.count:
        for name in sorted(groups):
            if groups[name] and len(chosen) < sampling.count:
                chosen.append(groups[name].pop())
    return sorted(chosen)


def reading_order(hands: Sequence[str], repeats: float, seed: str) -> list[tuple[str, int]]:
    """A reader's own order of (hand, occasion), with his hidden repeats.

    The share `repeats` of the hands, drawn from the first half of the order, comes up again (occasion 1) at
    random places of the second half, so that a repeat never follows its first reading closely.
    """
    rng = random.Random(seed)  # noqa: S311 - an order, no secret
    order = list(hands)
    rng.shuffle(order)
    half = len(order) // 2
    first, second = ([(hand, 0) for hand in part] for part in (order[:half], order[half:]))
    count = min(half, round(repeats * len(order)))
    for hand, _ in rng.sample(first, count):
        second.insert(rng.randint(min(1, len(second)), len(second)), (hand, 1))
    return first + second
