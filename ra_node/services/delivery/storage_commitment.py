"""Storage commitment: requests to peers, and their reports."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Protocol

import structlog

from ra_node.domain.job import LONGEST_SILENCE_S, Job, retry_delay_s
from ra_node.ledger.clock_trust import Trust
from ra_node.ledger.commitments import (
    begin_transaction,
    end_transaction,
    record_lacking,
    record_report,
    uncommitted,
)
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.jobs.peer_backoff import begin_outage, end_outage
from ra_node.ledger.jobs.queue import bury, finish, retry
from ra_node.network.scu.association import OUT_OF_REACH, PeerAddress
from ra_node.network.scu.storage_commitment import (
    AskReport,
    CommitmentReport,
    CommitmentResponse,
    CommitRequest,
    Hear,
    ReportMatch,
    ask,
)
from ra_node.network.status.storage_commitment import ActionAnswer
from ra_node.services.jobs.lease import postpone, unless_lost
from ra_node.services.jobs.progress import mark


class SendCommitRequests(Protocol):
    """Sends requests to a peer; see `network.scu.storage_commitment.ask`."""

    def __call__(self, peer: PeerAddress, requests: Sequence[CommitRequest], hear: Hear) -> AskReport: ...


def new_transaction_uid() -> str:
    """A new unique UID (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


@dataclass(frozen=True, slots=True)
class CommitmentReportReceiver:
    """Handles the reports of peers, in any process.

    `speaks_for` maps a reporting AE title to the AE titles that were asked.
    """

    ledger: Ledger
    speaks_for: Mapping[str, Collection[str]] = field(default_factory=dict)
    random: Random = field(default_factory=Random)

    def hear(self, report: CommitmentReport, ae_title: str) -> ReportMatch:
        """Record a report; raises LedgerUnavailable where the peer must repeat it."""
        taken = record_report(
            self.ledger,
            report.transaction_uid,
            {ae_title, *self.speaks_for.get(ae_title.strip(), ())},
            report.committed,
            report.failed,
            lambda times: retry_delay_s(times, self.random),
        )
        return ReportMatch(taken.value)


@dataclass(frozen=True, slots=True)
class Committer:
    """Dependencies of the requests, built once a process.

    Without a report the request is repeated after `silence_s`, then after twice that, and so on.
    """

    ledger: Ledger
    peers: Mapping[str, PeerAddress]
    silence_s: float
    give_up_after_s: float
    ask: SendCommitRequests = ask
    random: Random = field(default_factory=Random)
    new_uid: Callable[[], str] = new_transaction_uid
    trust: Callable[[], Trust] = Trust

    def patience_s(self) -> float:
        """Age at which a commit job is buried; infinite while the clock is not trusted."""
        return self.trust().patience_s(self.give_up_after_s, self.ledger.clock())

    def commit(self, jobs: Sequence[Job]) -> None:
        """Run commit jobs of one peer; each ends committed, postponed, buried or released."""
        try:
            self._commit(jobs)
        except Exception as error:  # noqa: BLE001 - one strange answer must not end the role
            for job in jobs:
                postpone(self.ledger, job, error, self.random)

    def _commit(self, jobs: Sequence[Job]) -> None:
        peer = self.peers[str(jobs[0].peer)]
        questions = [found for job in jobs if (found := self._question(job, peer)) is not None]
        if not questions:
            return
        hear = CommitmentReportReceiver(self.ledger, random=self.random).hear
        report = self.ask(peer, [request for _, request, _ in questions], hear)
        if report.reach in OUT_OF_REACH:
            self._wait_together([job for job, _, _ in questions], f"{report.reach}: {report.detail}")
            return
        end_outage(self.ledger, peer.name, jobs[0].kind)
        mark()
        for (job, _, times), asked in zip(questions, report.asked, strict=True):
            unless_lost(partial(self._conclude, job, asked, times), job)

    def _question(self, job: Job, peer: PeerAddress) -> tuple[Job, CommitRequest, int] | None:
        """Record a request and its number before it is sent; None: nothing to request."""
        references = uncommitted(self.ledger, job)
        if not references:
            unless_lost(partial(finish, self.ledger, job), job)
            return None
        request = CommitRequest(
            self.new_uid(), [(one.sop_class_uid, one.sop_instance_uid) for one in references]
        )
        times = begin_transaction(self.ledger, job, request.transaction_uid, peer.ae_title)
        return job, request, times

    def _conclude(self, job: Job, asked: CommitmentResponse, times: int) -> None:
        now = self.ledger.clock()
        if asked.answer is ActionAnswer.TAKEN:
            again = now + self._silence_s(times)
            end_transaction(self.ledger, job, again, give_up_after_s=self.patience_s())
        elif asked.answer is ActionAnswer.LACKING:
            record_lacking(self.ledger, job, asked.detail)
            structlog.get_logger().warning("commitment_not_supported", peer=job.peer, detail=asked.detail)
        elif asked.answer is ActionAnswer.REFUSED:
            bury(self.ledger, job, f"the peer refused to commit: {asked.detail}")
        else:
            run_at = now + retry_delay_s(times, self.random)
            retry(self.ledger, job, asked.detail, run_at, give_up_after_s=self.patience_s())

    def _silence_s(self, times: int) -> float:
        grown = min(self.silence_s * 2.0 ** min(times - 1, 30), LONGEST_SILENCE_S)
        return grown * self.random.uniform(1.0, 1.25)

    def _wait_together(self, jobs: Sequence[Job], error: str) -> None:
        begin_outage(
            self.ledger,
            jobs,
            error,
            lambda failures: retry_delay_s(failures, self.random),
            give_up_after_s=self.patience_s(),
        )
