"""Collects the provenance of a reader study for its export."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, func, select

import ra_node
from ra_node.domain.reader_study.marks import MarkKind
from ra_node.domain.reader_study.provenance import (
    ReaderProvenance,
    ReaderStudyProvenance,
    median_seconds,
)
from ra_node.domain.reader_study.roles import ReaderDuty, TaskKind
from ra_node.ledger.database.reader_study_schema import judgement, study_signature
from ra_node.ledger.reader_studies.studies import (
    HandRecord,
    ReaderRecord,
    StudyRecord,
    images_of,
    readers_of,
)
from ra_node.ledger.reader_studies.tasks import tasks_of
from ra_node.services.reader_studies.lead_view import agreements_of, repeat_agreement
from ra_node.services.reader_studies.outcome import digest_of, outcomes
from ra_node.services.reader_studies.study_folder import detector_of

PSEUDONYM_DIGITS = 8


def reader_pseudonym(salt: bytes, account: str) -> str:
    """Keyed hash of an account: the same reader has the same one in every reader study of the node."""
    return hmac.digest(salt, f"reader {account}".encode(), "sha256").hex()[:PSEUDONYM_DIGITS]


def provenance_of(
    connection: Connection, study: StudyRecord, hands: Sequence[HandRecord], salt: bytes, now: float
) -> ReaderStudyProvenance:
    """Who read, blinded or not, when, how long, and with what agreement."""
    found = outcomes(connection, study)
    plan, readers = study.plan, readers_of(connection, study.id)
    patients = {hand.hand_id: hand.patient or hand.image_id for hand in hands}
    images = images_of(connection, study.id)
    digest = digest_of(found, by_joint=plan.by_joint)
    signed = select(func.count()).where(
        study_signature.c.study_id == study.id, study_signature.c.digest == digest
    )
    unblinded = select(func.count()).where(
        judgement.c.reader_study_id == study.id,
        judgement.c.kind == str(TaskKind.READING),
        judgement.c.model_seen.is_(True),
    )
    third = any(one.duty is ReaderDuty.ADJUDICATOR for one in readers)
    given = [_reader(connection, study, one, patients, salt) for one in readers]
    return ReaderStudyProvenance(
        study.id,
        study.name,
        plan.by_joint,
        blinded=not connection.execute(unblinded).scalar_one(),
        threshold=plan.threshold,
        sampling=str(plan.sampling.kind),
        seed=plan.sampling.seed,
        repeats=plan.repeats,
        detector=detector_of(study),
        node_version=ra_node.__version__,
        created_at=study.created_at,
        exported_at=now,
        images=len(images),
        refused_images=sum(bool(one.refusal) for one in images),
        hands=len(hands),
        readers=tuple(given),
        before=agreements_of(found, patients, by_joint=plan.by_joint, revised=False),
        after=agreements_of(found, patients, by_joint=plan.by_joint, revised=True),
        discrepant=sum(
            bool(one.open(by_joint=plan.by_joint, threshold=plan.threshold, revised=False)) for one in found
        ),
        consensus=sum(one.agreed is not None for one in found),
        decided_by="a third reader" if third else "both readers together",
        signatures=int(connection.execute(signed).scalar_one()),
        labels_sha256=digest,
    )


def _reader(
    connection: Connection, study: StudyRecord, reader: ReaderRecord, patients: dict[str, str], salt: bytes
) -> ReaderProvenance:
    tasks = tasks_of(connection, study.id, TaskKind.READING, reader.account)
    first = {task.hand_id: task.state.marks.labels for task in tasks if not task.occasion}
    revisions = tasks_of(connection, study.id, TaskKind.REVISION, reader.account)
    columns = judgement.c
    mine = (columns.reader_study_id == study.id, columns.person == reader.account)
    began = connection.execute(
        select(func.min(columns.at)).where(*mine, columns.kind == str(TaskKind.READING))
    ).scalar()
    kinds = (str(TaskKind.READING), str(TaskKind.REVISION), str(TaskKind.CONSENSUS))
    seen = select(func.count(func.distinct(columns.action_id))).where(
        *mine, columns.kind.in_(kinds), columns.model_seen.is_(True), columns.what != str(MarkKind.VIEWED)
    )
    places = Counter(task.occasion for task in tasks if task.complete)
    return ReaderProvenance(
        reader_pseudonym(salt, reader.account),
        str(reader.duty),
        hands=places[0],
        repeats=places[1],
        seconds=median_seconds([task.spent_ms for task in tasks if task.complete]),
        began_at=began,
        closed_at=reader.reading_closed_at,
        revised=sum(task.state.marks.labels != first[task.hand_id] for task in revisions),
        repeat_agreement=repeat_agreement(connection, study, reader.account, patients),
        model_seen=int(connection.execute(seen).scalar_one()),
    )
