"""Stratified group split: assigns patients to sides so that each side has its share of every stage.

A patient's hands stay together and may differ in stage: the split is stratified by all of them, not by the
worst one (iterative stratification, Sechidis et al., ECML PKDD 2011, for groups), then improved by single
moves. Ties are broken by a hash of patient and seed, so that the order of rows has no effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import STAGES

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

MISSING = 4.0
"""Cost, in hands, of a stage missing on a side although it has enough patients for every side."""

ROUNDS = 20
"""Most passes over all patients; two or three are typical."""


def dealt(hands: Mapping[str, Sequence[int]], shares: Sequence[float], seed: int) -> dict[str, int]:
    """Assign a side to every patient of `hands` (stages by patient); `shares` of the sides sum to 1.

    No side is left without patients where there are as many as sides.
    """
    patients = sorted(hands, key=lambda patient: place(patient, seed))
    counts = np.array([np.bincount(hands[one], minlength=len(STAGES)) for one in patients], np.int64)
    desk = _Deal(counts, np.array(shares, np.float64))
    desk.deal()
    desk.fill_empty_sides()
    desk.improve()
    return {patient: int(side) for patient, side in zip(patients, desk.side, strict=True)}


def place(patient: str, seed: int) -> bytes:
    """Sort key for ties: hash of patient and seed."""
    return hashlib.sha256(f"{seed}:{patient}".encode()).digest()


class _Deal:
    """State of the assignment of patients (P, stages) to sides (S,)."""

    def __init__(self, counts: Counts, shares: Shares) -> None:
        self.counts, self.shares = counts, shares
        self.side = np.full(len(counts), -1, np.int64)
        self.wanted = shares[:, None] * counts.sum(axis=0)[None].astype(np.float64)
        self.wanted_patients = shares * len(counts)
        self.every_side = (counts > 0).sum(axis=0) >= len(shares)

    def deal(self) -> None:
        """Assign the patients of the rarest stage first, each to the side that lacks most of it."""
        lacking, room = self.wanted.copy(), self.wanted_patients.copy()
        while (self.side < 0).any():
            free = self.side < 0
            left = self.counts[free].sum(axis=0)
            stage = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
            rank = np.where(free, self.counts[:, stage], -1)
            patient = int(np.argmax(rank))
            side = max(range(len(self.shares)), key=lambda k: (lacking[k, stage], room[k], -k))
            self.side[patient] = side
            lacking[side] -= self.counts[patient]
            room[side] -= 1

    def fill_empty_sides(self) -> None:
        """Move a patient of the fullest side to one that has none."""
        for side in range(min(len(self.shares), len(self.side))):
            if not (self.side == side).any():
                fullest = int(np.argmax(np.bincount(self.side, minlength=len(self.shares))))
                self.side[int(np.flatnonzero(self.side == fullest)[-1])] = side

    def improve(self) -> None:
        """Move single patients while that reduces the cost."""
        held = np.zeros((len(self.shares), len(STAGES)), np.int64)
        np.add.at(held, self.side, self.counts)
        people = np.bincount(self.side, minlength=len(self.shares))
        for _ in range(ROUNDS):
            moved = [self._move(patient, held, people) for patient in range(len(self.side))]
            if not any(moved):
                return

    def _move(self, patient: int, held: Counts, people: Counts) -> bool:
        """Move one patient to the best side; updates `held` (S, stages) and `people` (S,)."""
        old = int(self.side[patient])
        if people[old] == 1:
            return False
        held[old] -= self.counts[patient]
        people[old] -= 1
        costs = []
        for side in range(len(self.shares)):
            held[side] += self.counts[patient]
            people[side] += 1
            costs.append(self._cost(held, people))
            held[side] -= self.counts[patient]
            people[side] -= 1
        best = int(np.argmin(costs))
        chosen = best if costs[best] < costs[old] - 1e-9 else old
        held[chosen] += self.counts[patient]
        people[chosen] += 1
        self.side[patient] = chosen
        return chosen != old

    def _cost(self, held: Counts, people: Counts) -> float:
        """Deviation of the sides from their shares, in hands a stage and in patients."""
        apart = np.abs(held - self.wanted).sum() + np.abs(people - self.wanted_patients).sum()
        return float(apart + MISSING * ((held == 0) & self.every_side).sum())
