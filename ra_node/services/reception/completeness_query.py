"""Settles a study at once when its source confirms by C-FIND that it is complete; errors settle nothing.

A PACS that forwards while it still receives can confirm too early. The late image then leads to a revision,
as after any report.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from ra_node.ledger.completeness import WaitingStudy, shared_with, waiting_from
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import settle_now
from ra_node.network.scu.association import OUT_OF_REACH, PeerAddress
from ra_node.network.scu.c_find import InstanceCount, count_instances

FIRST_PAUSE_S = 0.3
"""Pause after the last image before the query: a PACS that is still sending is faster."""
LONGEST_PAUSE_S = 15.0
AWAY_PAUSE_S = 10.0


@dataclass(slots=True)
class _Question:
    """Time of the last new image of a study, and time (monotonic) of the next query."""

    last_at: float
    pause_s: float
    ask_at: float


@dataclass
class CompletenessAsker:
    """Queries one source about its studies; not thread-safe."""

    ledger: Ledger
    source: PeerAddress
    count: Callable[[PeerAddress, str], InstanceCount] = count_instances
    clock: Callable[[], float] = time.monotonic
    _questions: dict[str, _Question] = field(default_factory=dict)
    _away_until: float = 0.0

    def look(self) -> float:
        """Query each due study, and settle complete ones.

        Returns the seconds until the next query.
        """
        waiting = waiting_from(self.ledger, self.source.ae_title)
        uids = {study.study_uid for study in waiting}
        self._questions = {uid: one for uid, one in self._questions.items() if uid in uids}
        for study in waiting:
            now = self.clock()
            if now >= self._away_until and self._due(study, now):
                self._ask(study)
        ask_at = min((one.ask_at for one in self._questions.values()), default=float("inf"))
        return max(0.0, max(ask_at, self._away_until) - self.clock())

    def _due(self, study: WaitingStudy, now: float) -> bool:
        question = self._questions.get(study.study_uid)
        if question is None or question.last_at != study.last_at:
            age_s = min(max(self.ledger.clock() - study.last_at, 0.0), FIRST_PAUSE_S)
            question = _Question(study.last_at, FIRST_PAUSE_S, now + FIRST_PAUSE_S - age_s)
            self._questions[study.study_uid] = question
        if now < question.ask_at:
            return False
        question.pause_s = min(question.pause_s * 2, LONGEST_PAUSE_S)
        question.ask_at = now + question.pause_s
        return True

    def _ask(self, study: WaitingStudy) -> None:
        log = structlog.get_logger().bind(study_uid=study.study_uid, peer=self.source.name)
        found = self.count(self.source, study.study_uid)
        if found.instances is None:
            log.warning("completeness_query_failed", reach=found.reach, detail=found.detail)
            if found.reach in OUT_OF_REACH:
                self._away_until = self.clock() + AWAY_PAUSE_S
            return
        here = shared_with(self.ledger, study.study_uid, self.source.ae_title, self.source.name)
        if 0 < found.instances <= here:
            version = settle_now(self.ledger, study.study_uid, f"{self.source.name} has no more")
            log.info("study_settled", version=version, instances=found.instances)
