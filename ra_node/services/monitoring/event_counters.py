"""Counts events: totals, durations of steps, hours and weeks.

The event log is permanent, so that totals continue after a restart, and a scrape reads only new events.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from ra_node.domain.report import STAGES
from ra_node.ledger.database.events import Event
from ra_node.services.reporting.answer_event import AnswerSummary, read_summary

HOUR_S, WEEK_S = 3600, 7 * 86400
_MONDAY = 4 * 86400
"""1970-01-05, a Monday."""
HOURS_KEPT = 49
OPEN_AT_MOST = 50_000
"""Most open steps; with more, the oldest are not measured."""
BOUNDS_S = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 21600, 86400)

NEWEST = 1000
"""Durations of a step of which the page shows median and 95 %."""


class Step(StrEnum):
    """A processing step of a study, by its end."""

    SETTLE = "settle"
    """From the first image without a report to the settling of the study."""
    ANSWER = "answer"
    DELIVER = "deliver"
    """From the report until a destination has all of its objects."""
    COMMIT = "commit"
    """From the delivery of an object to its storage commitment."""


@dataclass(slots=True)
class Durations:
    """Histogram of durations: counts up to each of BOUNDS_S and above, sum in seconds, newest ones."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))

    def share(self, part: float) -> float | None:
        """The duration that this share of the newest ones does not exceed; None without any."""
        ordered = sorted(self.newest)
        return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None

    def add(self, seconds: float) -> None:
        """Count one; negative durations, by clocks of two hosts, count as 0."""
        self.counts[bisect.bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += max(0.0, seconds)
        self.newest.append(max(0.0, seconds))


@dataclass(slots=True)
class Hour:
    """Counts of one hour."""

    images: int = 0
    answered: int = 0
    buried: int = 0


@dataclass(slots=True)
class Week:
    """Counts of one week: studies, hands and stages."""

    answered: int = 0
    refused: int = 0
    hands: int = 0
    """Rated hands only; inconclusive and not rated ones are counted separately."""
    positive: int = 0
    inconclusive: int = 0
    not_rated: int = 0
    stages: list[int] = field(default_factory=lambda: [0] * len(STAGES))
    bundles: set[str] = field(default_factory=set)


class _Begun:
    """Start times of open steps; of too many the oldest are dropped."""

    def __init__(self) -> None:
        self._at: OrderedDict[Hashable, float] = OrderedDict()

    def begin(self, key: Hashable, at: float) -> None:
        """Record the first start."""
        self._at.setdefault(key, at)
        if len(self._at) > OPEN_AT_MOST:
            self._at.popitem(last=False)

    def begin_again(self, key: Hashable, at: float) -> None:
        """Record the last start."""
        self._at.pop(key, None)
        self.begin(key, at)

    def end(self, key: Hashable, at: float, took: Durations) -> None:
        """Count the time since the start; ignored without one."""
        began = self._at.pop(key, None)
        if began is not None:
            took.add(max(0.0, at - began))

    def pass_by(self, key: Hashable, at: float, took: Durations) -> None:
        """Like `end`, for a start with several ends."""
        if key in self._at:
            took.add(max(0.0, at - self._at[key]))


class EventCounters:
    """Totals since the ledger was made; `add` takes events in the order of their ids."""

    def __init__(self) -> None:
        self.images: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.last_image: dict[str, float] = {}
        self.settled = 0
        self.answered: Counter[str] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.stages: Counter[int] = Counter()
        self.hands = 0
        self.inconclusive = 0
        self.not_rated = 0
        self.probability_sum = 0.0
        self.withdrawn: Counter[str] = Counter()
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.objects: Counter[tuple[str, str]] = Counter()
        self.last_success: dict[str, float] = {}
        """By destination: when it accepted or committed an object."""
        self.last_fault: dict[str, tuple[float, str]] = {}
        """By destination: when it refused, failed or was not reachable, and why."""
        self.steps = {step: Durations() for step in Step}
        self.hours: dict[int, Hour] = {}
        self.weeks: dict[int, Week] = {}
        self._begun = {step: _Begun() for step in Step}

    def add(self, event: Event) -> None:
        """Count one event; kinds that are not in `kinds` are ignored."""
        count = self._counts.get(event.what)
        if count is not None:
            count(self, event)

    def hour(self, at: float) -> Hour:
        """The hour of a time; old hours are dropped."""
        found = self.hours.setdefault(int(at) // HOUR_S * HOUR_S, Hour())
        if len(self.hours) > HOURS_KEPT:
            del self.hours[min(self.hours)]
        return found

    def _stored(self, event: Event) -> None:
        source = str(event.detail["calling_ae"])
        self.images[source] += 1
        self.bytes[source] += int(event.detail["size_bytes"])
        self.last_image[source] = max(event.at, self.last_image.get(source, event.at))
        self.hour(event.at).images += 1
        if event.detail["counts"]:
            self._begun[Step.SETTLE].begin(event.study_uid, event.at)

    def _settled(self, event: Event) -> None:
        self.settled += 1
        self._begun[Step.SETTLE].end(event.study_uid, event.at, self.steps[Step.SETTLE])
        self._begun[Step.ANSWER].begin((event.study_uid, event.detail["version"]), event.at)

    def _answered(self, event: Event) -> None:
        version = (event.study_uid, event.detail["version"])
        self._begun[Step.ANSWER].end(version, event.at, self.steps[Step.ANSWER])
        self._begun[Step.DELIVER].begin(version, event.at)
        self.hour(event.at).answered += 1
        said = read_summary(event.detail)
        self.answered[_outcome(said)] += 1
        if said.known:
            self._said(said, event.at)

    def _said(self, said: AnswerSummary, at: float) -> None:
        if said.refusal:
            self.refusals["study", said.refusal] += 1
        self.refusals.update(("part", reason) for reason in said.refusals)
        self.stages.update(said.stages)
        self.hands += len(said.probabilities)
        self.inconclusive += said.inconclusive
        self.not_rated += said.not_rated
        self.probability_sum += sum(said.probabilities)
        monday = (int(at) - _MONDAY) // WEEK_S * WEEK_S + _MONDAY
        _add_to_week(self.weeks.setdefault(monday, Week()), said)

    def _withdrawn(self, event: Event) -> None:
        self.withdrawn[str(event.detail["cause"])] += 1

    def _buried(self, event: Event) -> None:
        self.jobs[str(event.detail["kind"]), "buried"] += 1
        self.hour(event.at).buried += 1

    def _requeued(self, event: Event) -> None:
        self.jobs[str(event.detail["kind"]), "requeued"] += 1

    def _version_delivered(self, event: Event) -> None:
        version = (event.study_uid, event.detail["version"])
        self._begun[Step.DELIVER].pass_by(version, event.at, self.steps[Step.DELIVER])

    def _delivered(self, event: Event) -> None:
        self.objects[str(event.detail["peer"]), "delivered"] += 1
        self.last_success[str(event.detail["peer"])] = event.at
        self._begun[Step.COMMIT].begin_again((event.detail["object_uid"], event.detail["peer"]), event.at)

    def _refused(self, event: Event) -> None:
        self.objects[str(event.detail["peer"]), "refused"] += 1
        self._failed(event)

    def _failed(self, event: Event) -> None:
        status = event.detail.get("status")
        why = str(event.detail.get("detail") or event.detail.get("reason") or "")
        self.last_fault[str(event.detail.get("peer", ""))] = (
            event.at,
            f"status 0x{status:04X} {why}".strip() if isinstance(status, int) and status else why,
        )

    def _committed(self, event: Event) -> None:
        peer = str(event.detail["peer"])
        self.objects[peer, "committed"] += 1
        self.last_success[peer] = event.at
        self._begun[Step.COMMIT].end((event.detail["object_uid"], peer), event.at, self.steps[Step.COMMIT])

    _counts: ClassVar[Mapping[str, Callable[[EventCounters, Event], None]]] = {
        "instance_stored": _stored,
        "study_settled": _settled,
        "study_answered": _answered,
        "study_withdrawn": _withdrawn,
        "job_buried": _buried,
        "job_requeued": _requeued,
        "version_delivered": _version_delivered,
        "object_delivered": _delivered,
        "object_refused": _refused,
        "object_committed": _committed,
        "object_postponed": _failed,
        "commitment_failed": _failed,
        "peer_out_of_reach": _failed,
    }
    kinds: ClassVar[Collection[str]] = tuple(_counts)
    """Kinds of event that are counted."""


def _outcome(said: AnswerSummary) -> str:
    """Whether a report has a result; "unknown" for those of older nodes."""
    if not said.known:
        return "unknown"
    return "refused" if said.refusal else "judged"


def _add_to_week(week: Week, said: AnswerSummary) -> None:
    week.answered += 1
    week.refused += bool(said.refusal)
    week.hands += len(said.probabilities)
    week.positive += said.positive
    week.inconclusive += said.inconclusive
    week.not_rated += said.not_rated
    for stage in said.stages:
        week.stages[stage] += 1
    week.bundles.add(said.bundle)
