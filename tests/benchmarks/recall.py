"""Withdraws the results of a bundle while studies stream in: `python -m tests.benchmarks.recall [RESULTS]`.

One worker without networks does every job of one ledger. A study arrives every three seconds, half a second
after the scheduler may have begun withdrawals. Its time is the CPU time of this process until its report, so
that other work on the machine does not count. Prints the median with and without the recall of the same run,
their ratio, and how often each result was withdrawn.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from ra_node.domain.job import JobKind
from ra_node.domain.report import WithdrawalCause
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.event_query import trail
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.storage.durable_files import Files
from ra_node.ledger.withdrawals import waiting_withdrawals
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.reporting.answer import Answerer, Destination
from ra_node.services.withdrawal.begin import WithdrawalStarter
from ra_node.services.withdrawal.request import plan_for_bundle, request_plan
from tests.dicom.builders import PRODUCER, report, source
from tests.finders import BLIND
from tests.ledger.builders import FakeClock
from tests.services.builders import LEASE_S, Bench, FakeJudge, looked

BUNDLE = report().bundle


class Stream:
    """A node of one worker, and the studies that come in."""

    def __init__(self, folder: Path) -> None:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite3", FakeClock())
        self.bench = Bench(folder, ledger, Files(folder), ledger.clock)  # type: ignore[arg-type]
        self.starter = WithdrawalStarter(ledger)
        self.number = 0

    def receive(self) -> str:
        """A study arrives and settles."""
        self.number += 1
        uid = f"2.25.7{self.number}"
        self.bench.keep(source(StudyInstanceUID=uid, SOPInstanceUID=f"{uid}.1"))
        settle_now(self.bench.ledger, uid)
        return uid

    def work(self) -> str | None:
        """Do the next job; the study of a report, else None."""
        ledger, files = self.bench.ledger, self.bench.files
        for job in claim(ledger, [JobKind.EXAMINE, JobKind.REPORT], "worker", 1, LEASE_S):
            if job.kind is JobKind.EXAMINE:
                look = lambda _path, _rules: looked()  # noqa: E731 - as short as it is
                Examiner(ledger, files, FakeJudge(), BUNDLE.sha256, BLIND, look=look).examine([job])
                return ""
            one = BundleConsistency(ledger, files, FakeJudge(), BUNDLE, BLIND)
            to = [Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY))]
            Answerer(ledger, files, one, PRODUCER, to, "Research").answer(job)
            return job.study_uid
        return None

    def live(self, studies: int) -> list[float]:
        """CPU seconds until the report of each study, which arrives while a withdrawal is in the queue."""
        took = []
        for _ in range(studies):
            self.starter.step()
            self.bench.clock.advance(0.5)
            began, uid = time.process_time(), self.receive()
            while self.work() != uid:
                pass
            took.append(time.process_time() - began)
            self.bench.clock.advance(2.5)
            while self.work() is not None:
                pass
        return took


def run(results: int, live: int) -> tuple[float, float, Counter[int]]:
    """Medians without and with the recall, and how often the results were withdrawn."""
    with TemporaryDirectory(prefix="ra-node-") as name:
        stream = Stream(Path(name))
        uids = [stream.receive() for _ in range(results)]
        while stream.work() is not None:
            pass
        before = median(stream.live(live))
        plan = plan_for_bundle(stream.bench.ledger, BUNDLE.sha256, 0.0)
        request_plan(stream.bench.ledger, plan, WithdrawalCause.QUALITY, "benchmark", "alice")
        during = median(stream.live(live))
        while waiting_withdrawals(stream.bench.ledger):
            stream.starter.step()
            stream.bench.clock.advance(3)
            while stream.work() is not None:
                pass
        events = Counter(
            entry.event.study_uid
            for entry in trail(stream.bench.ledger)
            if entry.event.what == "study_withdrawn"
        )
        stream.bench.ledger.close()
        return before, during, Counter(events[uid] for uid in uids)


def main(results: int = 300, live: int = 20) -> None:
    """Print one line."""
    before, during, times = run(results, live)
    print(
        f"live report, CPU s: {before:.3f} before, {during:.3f} during the recall of {results} results, ratio"
        f" {during / before:.2f}; withdrawn once: {times[1]} of {results}"
    )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3]))
