"""Hints for alarms, and the rows of `ra-node check` for active ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ra_node.errors import NodeError
from ra_node.ledger.alarms import Alarm, AlarmKind
from ra_node.services.preflight.check import Check

MOST_DETAILS = 3
"""Most details of one kind in one row; the rest is counted."""

HINTS = {
    AlarmKind.IDENTITY: (
        "mount the right data_dir or name the right ledger and start again; if this ledger and this folder"
        " are to be used together from now on: `ra-node adopt`"
    ),
    AlarmKind.ORPHANS: (
        "see unlisted/ and inbox/ in data_dir; `ra-node adopt --ingest` takes these images in again"
    ),
    AlarmKind.CONTENT: "look at the disk, then send these images again",
    AlarmKind.CLOCK: "set the clock of this machine (NTP)",
    AlarmKind.MACHINE: "look at disk, open files, memory and GPU of this machine; jobs continue without help",
    AlarmKind.ROLE: "see the log of this role; restart it",
    AlarmKind.HEADER: (
        "see that only one route changes headers on the way to this node, and correct images at the source;"
        " the alarm ends after a day and is raised again where it goes on"
    ),
    AlarmKind.PATIENT_REFUSED: (
        "correct the patient at the source and send the images again, or correct the archive and"
        " `ra-node requeue` the study"
    ),
    AlarmKind.PEER_CONFLICT: (
        "split or merge the study in that archive; the alarm ends when the archive gives one patient, or"
        " after a week"
    ),
    AlarmKind.PIXELS: (
        "see at the source which of the two images is the right one: where a copy was refused, the first is"
        " kept and reported and the other one is in unlisted/ in data_dir; the alarm ends after a week"
    ),
    AlarmKind.PATIENT_CONFLICT: "correct the patient of this study at the source, then send it again",
}


def hint_of(kind: AlarmKind) -> str:
    """What to do about alarms of a kind."""
    return HINTS.get(kind, "see the log")


def words_of(alarm: Alarm) -> str:
    """Subject and detail in one line."""
    return f"{alarm.subject}: {alarm.detail}" if alarm.subject else alarm.detail


def counts_by_kind(raised: Iterable[Alarm]) -> dict[AlarmKind, int]:
    """Number of active alarms of each kind, including 0."""
    found = Counter(alarm.kind for alarm in raised)
    return {kind: found[kind] for kind in AlarmKind}


def alarm_checks(raised: Callable[[], Sequence[Alarm]]) -> list[Check]:
    """A failed row for each kind of active alarm; one passed row without any."""
    try:
        found = raised()
    except NodeError as error:
        return [Check("alarms", ok=False, found=str(error), hint="fix the ledger first")]
    rows = [_row(kind, [one for one in found if one.kind is kind]) for kind in AlarmKind]
    return [row for row in rows if row is not None] or [Check("alarms", ok=True, found="none")]


def _row(kind: AlarmKind, raised: Sequence[Alarm]) -> Check | None:
    if not raised:
        return None
    told = "; ".join(words_of(one) for one in raised[:MOST_DETAILS])
    more = len(raised) - MOST_DETAILS
    found = f"{told}; and {more} more" if more > 0 else told
    return Check(f"alarm {kind}", ok=False, found=found, hint=hint_of(kind))
