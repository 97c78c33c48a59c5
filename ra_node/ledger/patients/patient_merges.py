"""Merged patients: which identifiers name one person now, as keyed hashes.

An identifier is a digest of Patient ID and issuer. Each merged person has a root digest, and aliases: the
patient keys of all results under any of the identifiers, by which earlier reports are found again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, true

from ra_node.domain.job import JobState
from ra_node.domain.patient.identity import Identity, identity
from ra_node.errors import Refused
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import newest_events, note
from ra_node.ledger.patient_key import keyed_identity

_merge, _alias = schema.patient_merge, schema.patient_alias
_MOST_STEPS = 100
"""Of a chain of merges."""
UPDATED = "patient_updated"
"""The event of a study whose patient was updated while results were not sent yet."""


@dataclass(frozen=True, slots=True, repr=False)
class PatientIdentifier:
    """A Patient ID with its issuer, "" where it has none. Never to be logged."""

    patient_id: str
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """What a merge has changed: `results` are the results that now belong to the new identifier."""

    new: bool
    results: int


def digest_of(keyed: Identity) -> str:
    """The digest of the identifier in a hashed identity, "" without one."""
    return f"{keyed.patient_id}.{keyed.issuer}" if keyed.patient_id else ""


def merge_patients(
    ledger: Ledger,
    secret: bytes,
    old: PatientIdentifier,
    new: PatientIdentifier,
    by: str,
    message: str | None = None,
) -> MergeOutcome:
    """Let the old identifier name the patient of the new one, in one transaction.

    `message` is the digest of the HL7 message that asks for it: one that was taken before changes nothing.
    Raises Refused where both are equal, or where the new one was merged into the old one before.
    """
    olds, news = (_digests(secret, one) for one in (old, new))
    target = news[0]
    if target in olds:
        raise Refused("expected two different patients, found one identifier twice")
    with ledger.write() as connection:
        now = ledger.clock()
        if message is not None and not insert_new(
            connection, schema.hl7_message, {"digest": message, "at": now}
        ):
            return MergeOutcome(new=False, results=0)
        root = _root(connection, target)
        if root in olds:
            raise Refused("expected a new identifier, found one that was merged into the old one before")
        before = {_root(connection, one) for one in olds}
        keys = _keys(connection, [*olds, *news]) | _aliases(connection, {*before, root, *olds, *news})
        fresh = False
        for digest in (*before, *olds, *news[1:]):
            if digest != root:
                row = {"old_digest": digest, "new_digest": root, "at": now}
                fresh |= insert_new(connection, _merge, row) and digest not in news
        for key in sorted(keys):
            insert_new(connection, _alias, {"digest": root, "patient_key": key})
        if fresh:
            note(connection, now, "patients_merged", None, results=len(keys), by=by)
    return MergeOutcome(fresh, len(keys))


def update_patient(
    ledger: Ledger, secret: bytes, identifiers: Sequence[PatientIdentifier], message: str, by: str
) -> int:
    """Record that attributes of a patient were changed; return how many studies with unsent results name it.

    Such a study gets the event "patient_updated", after which a destination that answers C-FIND is asked
    before a result is sent. `message` is the digest of the HL7 message: one that was taken
    before changes nothing. Raises Refused for an empty identifier.
    """
    digests = sorted({digest for one in identifiers for digest in _digests(secret, one)})
    with ledger.write() as connection:
        now = ledger.clock()
        if not insert_new(connection, schema.hl7_message, {"digest": message, "at": now}):
            return 0
        studies = _studies_with_unsent(connection, digests)
        for study_uid in studies:
            note(connection, now, UPDATED, study_uid, by=by)
        note(connection, now, "patient_message_taken", None, studies=len(studies), by=by)
    return len(studies)


def is_updated(ledger: Ledger, study_uid: str) -> bool:
    """Whether the patient of a study was updated while results were not sent yet."""
    return study_uid in newest_events(ledger, [study_uid], UPDATED)


def root_of(ledger: Ledger, digest: str) -> str:
    """The digest that stands for a patient; its own for one that was never merged."""
    with ledger.read() as connection:
        return _root(connection, digest)


def keys_of(ledger: Ledger, digest: str, own: str) -> tuple[str, ...]:
    """Patient keys of all results of a patient, with the key of the study that is reported.

    The own key of a merged patient is remembered, for later studies.
    """
    with ledger.read() as connection:
        root = _root(connection, digest)
        merged = (
            root != digest
            or connection.execute(
                select(_merge.c.old_digest).where(_merge.c.new_digest == root).limit(1)
            ).first()
        )
        keys = _aliases(connection, {root})
    if merged and own not in keys:
        with ledger.write() as connection:
            insert_new(connection, _alias, {"digest": root, "patient_key": own})
    return (own, *sorted(keys - {own}))


def _digests(secret: bytes, one: PatientIdentifier) -> Sequence[str]:
    """The digest with the issuer, and the one without it for images that name none."""
    found = [
        digest_of(keyed_identity(secret, identity(patient_id=one.patient_id, issuer=issuer)))
        for issuer in dict.fromkeys((one.issuer, ""))
    ]
    if not found[0]:
        raise Refused("expected a Patient ID, found none")
    return found


def _root(connection: Connection, digest: str) -> str:
    for _ in range(_MOST_STEPS):
        query = select(_merge.c.new_digest).where(_merge.c.old_digest == digest)
        following = connection.execute(query).scalar()
        if following is None:
            break
        digest = str(following)
    return digest


def _aliases(connection: Connection, digests: Collection[str]) -> set[str]:
    query = select(_alias.c.patient_key).where(_alias.c.digest.in_(sorted(digests)))
    return set(connection.execute(query).scalars())


def _keys(connection: Connection, digests: Collection[str]) -> set[str]:
    """Patient keys of the results whose images name one of these identifiers.

    An image without an issuer has a digest of its own; one of another issuer is of another patient.
    """
    image, result = schema.instance, schema.result
    wanted = set(digests)
    rows = connection.execute(
        select(result.c.patient_key, image.c.patient)
        .join(image, image.c.study_uid == result.c.study_uid)
        .where(result.c.patient_key.is_not(None), _names_one(digests))
    )
    return {row.patient_key for row in rows if _digest_in(row.patient) in wanted}


def _studies_with_unsent(connection: Connection, digests: Collection[str]) -> list[str]:
    """Studies of images that name one of these identifiers, with work to do: a result is not sent yet."""
    image, job, wanted = schema.instance, schema.job, set(digests)
    works = exists().where(
        job.c.study_uid == image.c.study_uid, job.c.state.in_((JobState.READY, JobState.LEASED))
    )
    waits = and_(image.c.counts == true(), image.c.version.is_(None))
    query = select(image.c.study_uid, image.c.patient).where(or_(works, waits), _names_one(digests))
    rows = connection.execute(query)
    return sorted({row.study_uid for row in rows if _digest_in(row.patient) in wanted})


def _names_one(digests: Collection[str]) -> ColumnElement[bool]:
    """Condition on an image: its Patient ID is that of one of these identifiers, of whatever issuer."""
    hashes = sorted({digest.partition(".")[0] for digest in digests})
    kept = schema.instance.c.patient
    return or_(*(kept.contains(f'"patient_id":"{one}"', autoescape=True) for one in hashes))


def _digest_in(kept: str) -> str:
    found = json.loads(kept) if kept else {}
    return f"{found.get('patient_id', '')}.{found.get('issuer', '')}"
