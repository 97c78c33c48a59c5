"""Finds the patient's earlier report for a study.

The ledger of this node is searched first. It identifies patients by a keyed hash only, and keeps the row of a
report after its files are purged, so that it is still found after years.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog
from pydicom import Dataset

from ra_node.dicom.reading.patient_identity import Subject, subject_known
from ra_node.dicom.sop_common import series_uid_of
from ra_node.dicom.sr.reader import read_prior
from ra_node.domain.patient.identity import differences
from ra_node.domain.prior_comparison import comparable_hands
from ra_node.domain.report import Prior
from ra_node.domain.result_objects import ObjectKind, class_of
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.patient_key import keyed_identity, patient_key
from ra_node.ledger.patients.patient_merges import digest_of, keys_of, root_of
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import Result, prior_result
from ra_node.ledger.storage.durable_files import Files
from ra_node.network.scu.association import OUT_OF_REACH, PeerAddress, Reach
from ra_node.network.scu.prior_reports import PriorQuery, earlier_reports
from ra_node.services.jobs.progress import mark
from ra_node.services.reception.patient_consistency import witnesses_of

AWAY_PAUSE_S = 60.0
"""Pause after an unreachable PACS, so that reports do not wait for it one by one."""


class Fetch(Protocol):
    """Retrieves earlier reports; see `network.scu.prior_reports.earlier_reports`."""

    def __call__(self, peer: PeerAddress, wanted: PriorQuery, take: Callable[[Dataset], bool]) -> Reach: ...


@dataclass(frozen=True, slots=True)
class PatientPrior:
    """Patient and time of a study, and the earlier report."""

    subject: Subject | None = None
    patient_key: str | None = None
    prior: Prior | None = None


@dataclass(frozen=True, slots=True)
class FollowUps:
    """Dependencies of the search, built once a process."""

    ledger: Ledger
    secret: bytes
    askers: Sequence[PacsAsker] = ()
    files: Files | None = None
    placeholders: tuple[str, ...] = ()
    """Placeholder IDs of the site, in addition to those of `is_placeholder`."""

    def follow(self, study_uid: str, sources: Iterable[Dataset]) -> PatientPrior:
        """Find the last earlier report of the patient of these images."""
        subject = subject_known(sources, self.placeholders)
        if subject is None:
            return PatientPrior()
        key = patient_key(self.secret, subject.identity)
        return PatientPrior(subject, key, self._prior(study_uid, subject, key))

    def _prior(self, study_uid: str, subject: Subject, key: str) -> Prior | None:
        """The later one of ledger and PACS; for the same report that of the ledger."""
        digest = digest_of(keyed_identity(self.secret, subject.person))
        keys = keys_of(self.ledger, digest, key)
        kept = prior_result(self.ledger, study_uid, keys, subject.study_at)
        if kept is not None and not self._is_of(kept.study_uid, subject):
            return None
        known = [] if kept is None else [_prior_of(kept)]
        known += [found for asker in self.askers if (found := asker.ask(subject, study_uid)) is not None]
        if not known:
            return None
        latest = max(known, key=lambda prior: prior.study_date)
        structlog.get_logger().info(
            "prior_found", study_uid=study_uid, prior_study_uid=latest.study_instance_uid
        )
        return latest

    def _is_of(self, study_uid: str, subject: Subject) -> bool:
        """Whether an earlier study is of the same person: two people may share ID and birth date.

        False also where its name and sex are no longer known.
        """
        if self.files is None:
            return False
        person = keyed_identity(self.secret, subject.person)
        root = root_of(self.ledger, digest_of(person))
        before = [
            replace(one, patient_id=person.patient_id, issuer=person.issuer)
            if root_of(self.ledger, digest_of(one)) == root
            else one
            for one in witnesses_of(self.ledger, self.files, study_uid, self.secret).people
        ]
        return bool(before) and not differences([*before, person], accession=False)


@dataclass(slots=True)
class PacsAsker:
    """Queries one PACS for a patient's last earlier report; not thread-safe."""

    peer: PeerAddress
    clock: Callable[[], float] = time.monotonic
    fetch: Fetch = earlier_reports
    _away_until: float = 0.0

    def __post_init__(self) -> None:
        self.peer = replace(self.peer, connect_timeout_s=5.0, acse_timeout_s=10.0, dimse_timeout_s=20.0)

    def ask(self, subject: Subject, study_uid: str) -> Prior | None:
        """The last report before this study, None also where the PACS does not respond."""
        if self.clock() < self._away_until:
            return None
        issuer, patient, birth = subject.identity
        found: list[Prior] = []

        def take(report: Dataset) -> bool:
            mark()
            prior = read_prior(report, subject)
            found.extend([] if prior is None else [prior])
            return prior is not None

        wanted = PriorQuery(
            patient, issuer, birth, subject.study_at, class_of(ObjectKind.SR).series_number, study_uid
        )
        if self.fetch(self.peer, wanted, take) in OUT_OF_REACH:
            self._away_until = self.clock() + AWAY_PAUSE_S
        return found[0] if found else None


def _prior_of(result: Result) -> Prior:
    report = report_from_json(result.report_json)
    assert result.study_at is not None
    return Prior(
        result.study_uid,
        series_uid_of(result.sr_uid),
        class_of(ObjectKind.SR).sop_class_uid,
        result.sr_uid,
        datetime.strptime(result.study_at[:8], "%Y%m%d").date(),  # noqa: DTZ007 - a day has no zone
        f"{report.bundle.name} {report.bundle.version}",
        report.bundle.sha256,
        comparable_hands(report.hands),
    )
