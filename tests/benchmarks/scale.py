"""How much a run measures: the whole table in minutes, or a taste of it in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts of what is repeated; the whole ones take some twenty minutes of a quiet machine."""

    images: int = 40
    received: int = 120
    """Images to each receiver: enough that the 20 ms in which a sender starts are no part of the rate."""
    rounds: int = 3
    answers: int = 100
    burst: int = 300
    peer_burst: int = 30
    """Studies of the straightforward scripts, whose time for each does not depend on how many there are."""
    waiting: tuple[int, ...] = (1, 10, 100, 1000)
    associations: tuple[int, ...] = (1, 2, 4, 8)
    megapixels: tuple[int, ...] = (1, 5, 15, 60)
    starts: int = 5
    study_hands: tuple[int, ...] = (100, 10_000)
    listed: tuple[int, ...] = (100, 10_000)
    """Studies in the list of the operator page."""


WHOLE = Scale()
TASTE = Scale(
    images=2,
    received=2,
    rounds=1,
    answers=3,
    burst=4,
    peer_burst=2,
    waiting=(1, 10),
    associations=(1, 2),
    megapixels=(1,),
    starts=1,
    study_hands=(20, 400),
    listed=(20, 40),
)
