"""Search terms: how a study is found by its identifiers without one of them in the ledger, and by its result.

Identifiers are the keyed hashes of `kept_identity`; a search hashes what is typed with the same secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from ra_node.domain.patient.identity import identity
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.patient_key import keyed_identity

_table = schema.search_term


class TermKind(StrEnum):
    """Kind of a search term."""

    PATIENT_ID = "patient_id"
    """Keyed hash of a Patient ID, or of another ID of the patient."""
    ACCESSION = "accession"
    """Keyed hash of an Accession Number."""
    DEVICE = "device"
    """Station and device that made an image, from its header."""
    RESULT = "result"
    REASON = "reason"
    """Why a study, an image or a hand of it was not rated."""


class ResultTerm(StrEnum):
    """What the newest report of a study says of at least one hand; `not_rated` also of a whole study."""

    SUSPECTED = "suspected"
    NOT_SEEN = "not_seen"
    INCONCLUSIVE = "inconclusive"
    NOT_RATED = "not_rated"


IDENTIFIERS = (TermKind.PATIENT_ID, TermKind.ACCESSION)


def identifier_digests(secret: bytes, typed: str) -> list[str]:
    """Keyed hashes of a typed identifier: as Patient ID and as Accession Number; none for "".

    Compared without case, accents and outer blanks, as in `domain.patient.identity`.
    """
    keyed = keyed_identity(secret, identity(patient_id=typed, accession=typed))
    return [digest for digest in (keyed.patient_id, keyed.accession) if digest]


def add_identifiers(connection: Connection, study_uid: str, kept: str | None) -> None:
    """Add the terms of an identity as written by `kept_identity`, within the caller's transaction."""
    for kind, value in _identifiers(kept):
        insert_new(connection, _table, {"kind": kind, "value": value, "study_uid": study_uid})


def add_device(connection: Connection, study_uid: str, device: str) -> None:
    """Add the device of an image, within the caller's transaction; "" is none."""
    if device:
        insert_new(connection, _table, {"kind": TermKind.DEVICE, "value": device, "study_uid": study_uid})


def replace_identifiers(connection: Connection, study_uid: str) -> None:
    """Make the terms of a study's identifiers anew, after the identity of one of its instances changed."""
    image = schema.instance
    ours = and_(_table.c.study_uid == study_uid, _table.c.kind.in_(IDENTIFIERS))
    connection.execute(delete(_table).where(ours))
    kept = select(image.c.patient).where(image.c.study_uid == study_uid).distinct()
    for patient in connection.execute(kept).scalars().all():
        add_identifiers(connection, study_uid, patient)


def replace_result_terms(connection: Connection, study_uid: str, told: Mapping[str, Any]) -> None:
    """Replace the terms of a study's result by those of a newer report, within its transaction.

    `told` are the details of its event (`answer_event.summary_detail`).
    """
    ours = _table.c.kind.in_((TermKind.RESULT, TermKind.REASON))
    connection.execute(delete(_table).where(_table.c.study_uid == study_uid, ours))
    rows = [{"kind": kind, "value": value, "study_uid": study_uid} for kind, value in _result_terms(told)]
    if rows:
        connection.execute(_table.insert(), rows)


def has_term(kinds: Iterable[TermKind], values: Iterable[str]) -> ColumnElement[bool]:
    """Condition on `study`: it has a term of these kinds with one of these values."""
    named = select(_table.c.study_uid).where(_table.c.kind.in_(list(kinds)), _table.c.value.in_(list(values)))
    return schema.study.c.study_uid.in_(named)


def with_merged(ledger: Ledger, digests: Iterable[str]) -> list[str]:
    """These digests, and those of Patient IDs that a merge made names of the same patient."""
    merge = schema.patient_merge
    found = dict.fromkeys(digests)
    with ledger.read() as connection:
        for digest in list(found):
            named = or_(
                merge.c.new_digest.startswith(f"{digest}."), merge.c.old_digest.startswith(f"{digest}.")
            )
            roots = list(connection.execute(select(merge.c.new_digest).where(named).distinct()).scalars())
            olds = connection.execute(select(merge.c.old_digest).where(merge.c.new_digest.in_(roots)))
            found |= dict.fromkeys(one.partition(".")[0] for one in (*roots, *olds.scalars()))
    return list(found)


def any_study_has(ledger: Ledger, kinds: Iterable[TermKind], values: Iterable[str]) -> bool:
    """Whether any study has a term of these kinds with one of these values."""
    with ledger.read() as connection:
        query = select(schema.study.c.study_uid).where(has_term(kinds, values)).limit(1)
        return connection.execute(query).first() is not None


def reasons_found(ledger: Ledger) -> list[str]:
    """Every reason that a newest report gives."""
    query = select(_table.c.value).where(_table.c.kind == TermKind.REASON).distinct().order_by(_table.c.value)
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def _identifiers(kept: str | None) -> list[tuple[TermKind, str]]:
    found: dict[str, Any] = json.loads(kept) if kept else {}
    ids = dict.fromkeys([found.get("patient_id", ""), *found.get("other_ids", [])])
    orders = [(TermKind.ACCESSION, found["accession"])] if found.get("accession") else []
    return [*((TermKind.PATIENT_ID, value) for value in ids if value), *orders]


def _result_terms(told: Mapping[str, Any]) -> list[tuple[TermKind, str]]:
    if "probabilities" not in told:
        return []
    positive, rated = int(told.get("positive", 0)), len(str(told["probabilities"]).split())
    holds = {
        ResultTerm.SUSPECTED: positive > 0,
        ResultTerm.NOT_SEEN: rated > positive,
        ResultTerm.INCONCLUSIVE: bool(told.get("inconclusive")),
        ResultTerm.NOT_RATED: bool(told.get("refusal") or told.get("not_rated")),
    }
    words = f"{told.get('refusal', '')} {told.get('refusals', '')}".split()
    results = [(TermKind.RESULT, str(name)) for name, there in holds.items() if there]
    return [*results, *((TermKind.REASON, word) for word in dict.fromkeys(words))]
