"""Which files may go: those of studies that are answered and delivered, and those nobody knows."""

from __future__ import annotations

from dataclasses import dataclass

from ra_node.ledger.engine import Ledger


@dataclass(frozen=True, slots=True)
class Purgeable:
    """A study whose files may go; `paths` are relative to the data folder."""

    study_uid: str
    paths: tuple[str, ...]


def purgeable(ledger: Ledger, idle_since: float, limit: int = 100) -> list[Purgeable]:
    """List studies, oldest first, that are answered, wait for nothing and were idle since then.

    Waits for nothing: every delivery is accepted, no job is ready, leased or buried, nothing arrived
    after `idle_since`.
    """

def mark_purged(ledger: Ledger, study_uid: str) -> bool:
    """Forget the paths of a study, before its files are removed; its rows stay.

    False: something arrived meanwhile and nothing may be removed.
    """

def known_paths(ledger: Ledger) -> set[str]:
    """Return every path that a row names."""
