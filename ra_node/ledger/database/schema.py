"""The tables of the ledger. Times are UTC seconds since 1970; no column holds a patient attribute.

Migrations make these tables; a test holds that both agree. `state` columns hold the values of
`JobState`, `StudyState` and `DeliveryState`, the column `commitment` those of `CommitmentState`.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ra_node.ledger.database import reader_study_schema  # noqa: F401 - adds its tables
from ra_node.ledger.database.metadata import metadata


class StudyState(StrEnum):
    """State of a study."""

    OPEN = "open"
    """Instances wait for the study to settle."""
    SETTLED = "settled"
    """A version is fixed and its report is being made."""
    ANSWERED = "answered"
    FAILED = "failed"
    """The report job is buried; an operator can requeue it."""
    IGNORED = "ignored"
    """Holds nothing that needs a report."""


class DeliveryState(StrEnum):
    """State of one object at one peer."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    """Delivered: the peer returned Success or a warning to C-STORE."""
    REFUSED = "refused"
    DROPPED = "dropped"
    """Dropped by an operator."""


class CommitmentState(StrEnum):
    """Storage commitment state of an accepted object (PS3.4 annex J)."""

    NOT_ASKED = "not_asked"
    """Not requested from this peer, or the object is not delivered yet."""
    WAITING = "waiting"
    COMMITTED = "committed"
    LACKING = "lacking"
    """The peer does not offer Storage Commitment; requested again when it does."""
    WAIVED = "waived"
    """Was requested, and an operator or a change of the configuration dropped it."""


association = Table(
    "association",
    metadata,
    Column("id", Text, primary_key=True),
    Column("listener", Text, nullable=False),
    Column("calling_ae", Text, nullable=False),
    Column("peer_address", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("closed_at", Double),
)
Index(
    "ix_association_open",
    association.c.listener,
    sqlite_where=text("closed_at IS NULL"),
    postgresql_where=text("closed_at IS NULL"),
)

study = Table(
    "study",
    metadata,
    Column("study_uid", Text, primary_key=True),
    Column("first_received_at", Double, nullable=False),
    Column("last_received_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("answered_version", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False),
    Column("purged_at", Double),
)
Index("ix_study_received", study.c.last_received_at)
Index("ix_study_state", study.c.state, study.c.last_received_at)

instance = Table(
    "instance",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    Column("study_uid", Text, ForeignKey("study.study_uid"), nullable=False, index=True),
    Column("series_uid", Text, nullable=False),
    Column("sop_class_uid", Text, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("path", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("calling_ae", Text, nullable=False),
    Column("association_id", Text, ForeignKey("association.id")),
    Column("received_at", Double, nullable=False),
    Column("counts", Boolean, nullable=False),
    Column("version", Integer),
    Column("finding_json", Text),
    Column("preview_path", Text),
    Column("bundle_sha256", Text),
    Column("examined_at", Double),
    Column("sha256", Text),
    Column("preview_sha256", Text),
    Column("patient", Text),
    Column("pixel_sha256", Text),
    Column("header_digest", Text),
)
Index(
    "ix_instance_pending",
    instance.c.study_uid,
    sqlite_where=text("version IS NULL AND counts = 1"),
    postgresql_where=text("version IS NULL AND counts = true"),
)

earlier_header = Table(
    "earlier_header",
    metadata,
    Column("instance_id", Text, ForeignKey("instance.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("instance_id", "digest"),
)

resent = Table(
    "resent",
    metadata,
    Column("id", Text, primary_key=True),
    Column("instance_id", Text, ForeignKey("instance.id"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("study_uid", Text, ForeignKey("study.study_uid"), nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("row_json", Text, nullable=False),
    Column("at", Double, nullable=False),
    UniqueConstraint("instance_id", "sha256"),
)

job = Table(
    "job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("study_uid", Text, ForeignKey("study.study_uid"), nullable=False, index=True),
    Column("instance_id", Text, ForeignKey("instance.id"), index=True),
    Column("version", Integer),
    Column("peer", Text),
    Column("state", Text, nullable=False),
    Column("run_at", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("excused", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("owner", Text),
    Column("lease_until", Double),
    Column("last_error", Text),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
)
Index("ix_job_state", job.c.state, job.c.kind, job.c.run_at)

result = Table(
    "result",
    metadata,
    Column("study_uid", Text, ForeignKey("study.study_uid"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("report_json", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("sr_uid", Text, nullable=False),
    Column("predecessor", Text),
    Column("patient_key", Text),
    Column("study_at", Text),
    PrimaryKeyConstraint("study_uid", "version"),
)
Index("ix_result_patient", result.c.patient_key, result.c.study_at)

result_object = Table(
    "object",
    metadata,
    Column("sop_instance_uid", Text, primary_key=True),
    Column("study_uid", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sop_class_uid", Text, nullable=False),
    Column("path", Text),
    Column("sha256", Text),
    ForeignKeyConstraint(["study_uid", "version"], ["result.study_uid", "result.version"]),
)
Index("ix_object_result", result_object.c.study_uid, result_object.c.version)

patient_merge = Table(
    "patient_merge",
    metadata,
    Column("old_digest", Text, primary_key=True),
    Column("new_digest", Text, nullable=False, index=True),
    Column("at", Double, nullable=False),
)

patient_alias = Table(
    "patient_alias",
    metadata,
    Column("digest", Text, nullable=False),
    Column("patient_key", Text, nullable=False),
    PrimaryKeyConstraint("digest", "patient_key"),
)

hl7_message = Table(
    "hl7_message",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("at", Double, nullable=False),
)

present_patient = Table(
    "present_patient",
    metadata,
    Column("study_uid", Text, ForeignKey("study.study_uid"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("path", Text),
    Column("sha256", Text, nullable=False),
    PrimaryKeyConstraint("study_uid", "digest"),
)

search_term = Table(
    "search_term",
    metadata,
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("study_uid", Text, ForeignKey("study.study_uid"), nullable=False, index=True),
    PrimaryKeyConstraint("kind", "value", "study_uid"),
)

withdrawal = Table(
    "withdrawal",
    metadata,
    Column("study_uid", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("bundle", Text),
    Column("requested_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("new_version", Integer),
    PrimaryKeyConstraint("study_uid", "version"),
    ForeignKeyConstraint(["study_uid", "version"], ["result.study_uid", "result.version"]),
)
WAITING_WITHDRAWAL = text("ended_at IS NULL")
Index(
    "ix_withdrawal_waiting",
    withdrawal.c.requested_at,
    sqlite_where=WAITING_WITHDRAWAL,
    postgresql_where=WAITING_WITHDRAWAL,
)

delivery = Table(
    "delivery",
    metadata,
    Column("object_uid", Text, ForeignKey("object.sop_instance_uid"), nullable=False),
    Column("peer", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("status", Integer),
    Column("detail", Text),
    Column("attempts", Integer, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("sent_uid", Text),
    Column("commitment", Text, nullable=False, server_default="not_asked"),
    PrimaryKeyConstraint("object_uid", "peer"),
)
Index("ix_delivery_peer", delivery.c.peer, delivery.c.state)
NOT_ACCEPTED = text("state <> 'accepted'")
"""Same text as in the index: SQLite uses a partial index only for an identical condition."""
Index(
    "ix_delivery_open",
    delivery.c.peer,
    delivery.c.state,
    sqlite_where=NOT_ACCEPTED,
    postgresql_where=NOT_ACCEPTED,
)
UNKEPT = text("commitment IN ('waiting', 'lacking')")
Index(
    "ix_delivery_unkept",
    delivery.c.peer,
    delivery.c.commitment,
    sqlite_where=UNKEPT,
    postgresql_where=UNKEPT,
)

transaction = Table(
    "commitment",
    metadata,
    Column("transaction_uid", Text, primary_key=True),
    Column("study_uid", Text, ForeignKey("study.study_uid"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("peer", Text, nullable=False),
    Column("ae_title", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("answered_at", Double),
)
Index("ix_commitment_study", transaction.c.study_uid, transaction.c.version, transaction.c.peer)

outage = Table(
    "outage",
    metadata,
    Column("peer", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", Double, nullable=False),
    Column("retry_at", Double, nullable=False),
    Column("error", Text, nullable=False),
    PrimaryKeyConstraint("peer", "kind"),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("study_uid", Text),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("ix_event_study", event.c.study_uid, event.c.id)

mark = Table(
    "mark",
    metadata,
    Column("name", Text, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
)

alarm = Table(
    "alarm",
    metadata,
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("kind", "subject"),
)

named_value = Table(
    "property",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
