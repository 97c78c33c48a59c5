"""Roles of accounts, duties of readers, and the phases of a reader study."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AccountRole(StrEnum):
    """Role of an account of the page."""

    OPERATOR = "operator"
    """Sees the operator pages, and no reader study."""
    READER = "reader"
    """Sees the reader studies that he reads, and no operator page."""
    LEAD = "lead"
    """Creates reader studies and sees their progress and agreement; also an operator. Never reads."""


@dataclass(frozen=True, slots=True)
class Account:
    """A signed-in user."""

    name: str
    role: AccountRole


class ReaderDuty(StrEnum):
    """Duty of a reader in one reader study."""

    READER = "reader"
    """One of the two blinded readers."""
    ADJUDICATOR = "adjudicator"
    """Third reader: decides alone what the two do not agree on."""


class Phase(StrEnum):
    """Phase of a reader study; it only moves forward."""

    MAKING = "making"
    """Hands are being cut; readers see nothing yet."""
    READING = "reading"
    """Two readers stage the hands, each alone."""
    REVISION = "revision"
    """Each reader sees both marks of the discrepant hands and may revise his own."""
    CONSENSUS = "consensus"
    """What remains is decided by both together, or by the adjudicator; then signed."""
    SIGNED = "signed"
    """All decided and signed: nothing changes any more."""


class TaskKind(StrEnum):
    """Kind of a task: one hand before one reader."""

    READING = "reading"
    REVISION = "revision"
    CONSENSUS = "consensus"
    SECOND_OPINION = "second_opinion"
    """After the reader saw the model's answer; kept apart from his reading."""
