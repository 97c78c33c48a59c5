"""Whatever happens in whatever order, no file goes that somebody still waits for."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ra_node.domain.job import JobKind
from ra_node.ledger.commitments import (
    begin_transaction,
    end_transaction,
    record_lacking,
    record_report,
    waive,
)
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, StudyState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, pending_deliveries, record_delivery
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.inbox import instances_of, settle_now
from ra_node.ledger.jobs.abandon import drop
from ra_node.ledger.jobs.queue import bury, claim
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import find_study
from ra_node.ledger.results import ResultObject, finish_report
from ra_node.ledger.retention import purgeable
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.retention.purge import purge
from tests.ledger.builders import LEASE_S, FakeClock, keep, result_of
from tests.ledger.test_queue_machine import empty_ledger

KEEP_S = 100.0
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
STUDIES = ("1.1", "1.2")
PEERS = ("a", "b")
MOSTLY_ACCEPTED = [DeliveryState.ACCEPTED] * 3 + [DeliveryState.WAITING, DeliveryState.REFUSED]
studies = st.sampled_from(STUDIES)


class Retention(RuleBasedStateMachine):
    """Real files beside a real ledger; before each purge the test itself says whose files must stay."""

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ra-node-purge-", dir=MEMORY))
        (self.folder / "ledger.sqlite").write_bytes(empty_ledger())
        self.clock = FakeClock()
        self.ledger = open_ledger(f"sqlite:///{self.folder}/ledger.sqlite", self.clock)
        self.files = Files(self.folder)
        self.count = 0
        self.last: dict[str, float] = {}

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    @rule(study=studies, counts=st.booleans())
    def receive(self, study: str, counts: bool) -> None:
        self.count += 1
        path = self.files.write(b"image", "inbox", ".dcm")
        keep(self.ledger, f"{study}.1.{self.count}", study, path=path, counts=counts)
        if counts or study not in self.last:
            self.last[study] = self.clock.now

    @rule(fails=st.booleans())
    def examine(self, fails: bool) -> None:
        for job in claim(self.ledger, [JobKind.EXAMINE], "w", 1, LEASE_S):
            if fails:
                bury(self.ledger, job, "it broke")
            else:
                preview = self.files.write(b"preview", "previews", ".png")
                finish_examination(self.ledger, job, "{}", preview, None)

    @rule(study=studies)
    def settle(self, study: str) -> None:
        settle_now(self.ledger, study)

    @rule(peers=st.sets(st.sampled_from(PEERS)), fails=st.booleans())
    def report(self, peers: set[str], fails: bool) -> None:
        for job in claim(self.ledger, [JobKind.REPORT], "w", 1, LEASE_S):
            if fails:
                bury(self.ledger, job, "it broke")
                continue
            result, made = result_of(job)
            objects = [self._with_file(one) for one in made]
            pairs = [(one.sop_instance_uid, peer) for one in objects for peer in peers]
            finish_report(self.ledger, job, result, objects, pairs)

    @rule(peer=st.sampled_from(PEERS), state=st.sampled_from(list(DeliveryState)[:3]), commit=st.booleans())
    def deliver(self, peer: str, state: DeliveryState, commit: bool) -> None:
        for job in claim(self.ledger, [JobKind.DELIVER], "d", 1, LEASE_S, peer=peer):
            waiting = pending_deliveries(self.ledger, job)
            outcomes = [DeliveryOutcome(item.object.sop_instance_uid, state, 0) for item in waiting]
            record_delivery(
                self.ledger, job, outcomes, retry_at=self.clock.now, give_up_after_s=1e9, commit=commit
            )

    @rule(peer=st.sampled_from(PEERS), kept=st.booleans(), lacking=st.booleans())
    def commit(self, peer: str, kept: bool, lacking: bool) -> None:
        for job in claim(self.ledger, [JobKind.COMMIT], "d", 1, LEASE_S, peer=peer):
            self.count += 1
            begin_transaction(self.ledger, job, f"1.9.{self.count}", peer)
            if lacking:
                record_lacking(self.ledger, job, "no context")
                continue
            uids = {item.object.sop_instance_uid for item in deliveries_of(self.ledger, job.study_uid)}
            failed = {} if kept else dict.fromkeys(uids, "lost")
            record_report(
                self.ledger, f"1.9.{self.count}", {peer}, uids if kept else set(), failed, lambda _: 0.0
            )
            end_transaction(self.ledger, job, self.clock.now, give_up_after_s=1e9)

    @rule(study=studies, commit=st.booleans(), state=st.sampled_from(MOSTLY_ACCEPTED))
    def go_all_the_way(self, study: str, commit: bool, state: DeliveryState) -> None:
        """Most studies do, and purging needs some that have."""
        self.receive(study, counts=True)
        self.examine(fails=False)
        self.settle(study)
        self.report({"a"}, fails=False)
        self.deliver("a", state, commit)

    @rule(name=st.sampled_from([*STUDIES, *PEERS]))
    def bring_back(self, name: str) -> None:
        requeue(self.ledger, name)

    @rule(study=studies, peer=st.sampled_from(PEERS))
    def give_up(self, study: str, peer: str) -> None:
        drop(self.ledger, study_uid=study, peer=peer)

    @rule(peer=st.sampled_from(PEERS))
    def ask_no_more(self, peer: str) -> None:
        waive(self.ledger, peer)

    @rule(dry_run=st.booleans(), later=st.sampled_from([0.0, KEEP_S]))
    def purge(self, dry_run: bool, later: float) -> None:
        self.clock.advance(later)
        must_stay = {uid: self._files_of(uid) for uid in STUDIES if self._is_needed(uid)}
        before = self._all_files()
        counted = purge(self.ledger, self.files, KEEP_S, dry_run=dry_run)
        gone = before - self._all_files()
        assert len(gone) == (0 if dry_run else counted.files)
        for uid, paths in must_stay.items():
            assert not gone & paths, f"study {uid} still needed {gone & paths}"

    @invariant()
    def nothing_needed_is_listed(self) -> None:
        """Also between purges, and however young a study is."""
        if hasattr(self, "ledger"):
            listed = {one.study_uid for one in purgeable(self.ledger, self.clock.now)}
            assert not {uid for uid in listed if self._waits_for_something(uid)}

    def _is_needed(self, uid: str) -> bool:
        young = self.clock.now - self.last.get(uid, self.clock.now) < KEEP_S
        return young or self._waits_for_something(uid)

    def _waits_for_something(self, uid: str) -> bool:
        """Say from what can be seen of a study whether anybody may still want its files."""
        line = find_study(self.ledger, uid)
        assert line is not None
        images = instances_of(self.ledger, uid)
        unanswered = [one for one in images if one.counts and (one.version or 99) > line.answered_version]
        if not any(one.counts for one in images):
            return False
        sent = deliveries_of(self.ledger, uid)
        finished = all(
            item.state is DeliveryState.DROPPED
            or (
                item.state is DeliveryState.ACCEPTED
                and item.commitment not in (CommitmentState.WAITING, CommitmentState.LACKING)
            )
            for item in sent
        )
        newest = [item for item in sent if item.object.version == line.answered_version]
        return bool(unanswered or not finished or not newest or line.state is not StudyState.ANSWERED)

    def _files_of(self, uid: str) -> set[str]:
        paths = {one.path for one in instances_of(self.ledger, uid)}
        paths |= {one.preview_path for one in instances_of(self.ledger, uid)}
        paths |= {item.object.path for item in deliveries_of(self.ledger, uid)}
        return {path for path in paths if path is not None}

    def _all_files(self) -> set[str]:
        return {
            path.relative_to(self.folder).as_posix()
            for folder in ("inbox", "previews", "results")
            for path in (self.folder / folder).rglob("*.*")
        }

    def _with_file(self, one: ResultObject) -> ResultObject:
        path = self.files.write(b"result", "results", ".dcm")
        fields = (one.sop_instance_uid, one.study_uid, one.version, one.kind, one.sop_class_uid)
        return ResultObject(*fields, path)


Retention.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_no_file_goes_that_somebody_waits_for = Retention.TestCase
