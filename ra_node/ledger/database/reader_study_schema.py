"""The tables of reader studies, and the one table of what persons say of hands.

`judgement` is append-only by triggers (migration 0010): a reading, a verdict on a result, an imported truth
are rows of one kind, with their source and whether the model's answer had been seen. The other tables hold
what was asked; `state_json` of a task is the fold of its judgements, kept so that a list needs no fold. No
column holds a patient attribute: sex, age and geometry of a hand lie in a file of the data folder.

`judgement.kind` is that of the task for a reading in a reader study, which names study, task and hand. A
verdict and a truth name Study and SOP Instance UID, side, version and bundle of the result, and may say `ra`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from ra_node.ledger.database.metadata import metadata

reader_study = Table(
    "reader_study",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("plan_json", Text, nullable=False),
    Column("source_json", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("made_at", Double),
    Column("exported_at", Double),
    Column("purged_at", Double),
    Column("problem", Text, nullable=False, server_default=""),
)

study_reader = Table(
    "study_reader",
    metadata,
    Column("study_id", Text, ForeignKey("reader_study.id"), nullable=False),
    Column("account", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column("duty", Text, nullable=False),
    Column("joined_at", Double, nullable=False),
    Column("reading_closed_at", Double),
    Column("revision_closed_at", Double),
    PrimaryKeyConstraint("study_id", "account"),
    UniqueConstraint("study_id", "place"),
)
Index("ix_study_reader_account", study_reader.c.account)

study_image = Table(
    "study_image",
    metadata,
    Column("study_id", Text, ForeignKey("reader_study.id"), nullable=False),
    Column("image_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("hands", Integer, nullable=False),
    Column("refusal", Text, nullable=False),
    Column("refusal_text", Text, nullable=False),
    PrimaryKeyConstraint("study_id", "image_id"),
)

study_hand = Table(
    "study_hand",
    metadata,
    Column("study_id", Text, ForeignKey("reader_study.id"), nullable=False),
    Column("hand_id", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("patient", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("chosen", Boolean, nullable=False),
    Column("pixels", Text, nullable=False, server_default=""),
    Column("model_json", Text),
    Column("request_json", Text),
    Column("problem", Text, nullable=False, server_default=""),
    Column("path", Text),
    Column("sha256", Text),
    Column("picture_path", Text),
    Column("picture_sha256", Text),
    Column("levels_path", Text),
    Column("levels_sha256", Text),
    Column("added_by", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("study_id", "hand_id"),
)

study_task = Table(
    "study_task",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("study_id", Text, ForeignKey("reader_study.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column("hand_id", Text, nullable=False),
    Column("occasion", Integer, nullable=False),
    Column("sequence", Integer, nullable=False, server_default="0"),
    Column("complete", Boolean, nullable=False),
    Column("spent_ms", BigInteger, nullable=False, server_default="0"),
    Column("updated_at", Double),
    Column("state_json", Text, nullable=False),
    UniqueConstraint("study_id", "kind", "account", "place"),
)
Index(
    "ix_study_task_next",
    study_task.c.study_id,
    study_task.c.kind,
    study_task.c.account,
    study_task.c.complete,
    study_task.c.place,
)
Index("ix_study_task_hand", study_task.c.study_id, study_task.c.hand_id)

judgement = Table(
    "judgement",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("action_id", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("person", Text, nullable=False),
    Column("model_seen", Boolean, nullable=False),
    Column("reader_study_id", Text),
    Column("task_id", Text),
    Column("sequence", Integer),
    Column("hand_id", Text),
    Column("study_uid", Text),
    Column("sop_instance_uid", Text),
    Column("version", Integer),
    Column("bundle_sha256", Text),
    Column("side", Text),
    Column("ra", Boolean),
    Column("what", Text, nullable=False),
    Column("joint", Text, nullable=False, server_default=""),
    Column("stage", Integer),
    Column("x", Double),
    Column("y", Double),
    Column("reason", Text),
    Column("note", Text),
    Column("undoes", Text),
    Column("spent_ms", BigInteger),
    UniqueConstraint("action_id", "part"),
    UniqueConstraint("task_id", "sequence", "part"),
)
Index("ix_judgement_hand", judgement.c.reader_study_id, judgement.c.hand_id)
Index("ix_judgement_study", judgement.c.study_uid)

study_signature = Table(
    "study_signature",
    metadata,
    Column("study_id", Text, ForeignKey("reader_study.id"), nullable=False),
    Column("account", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("study_id", "account", "digest"),
)
