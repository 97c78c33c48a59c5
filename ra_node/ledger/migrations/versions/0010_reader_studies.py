"""Reader studies, and the append-only table of readings, verdicts and truths."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reader_study",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("plan_json", sa.Text(), nullable=False),
        sa.Column("source_json", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double()),
        sa.Column("exported_at", sa.Double()),
        sa.Column("purged_at", sa.Double()),
        sa.Column("problem", sa.Text(), nullable=False, server_default=""),
    )
    op.create_table(
        "study_reader",
        sa.Column("study_id", sa.Text(), sa.ForeignKey("reader_study.id"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("duty", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.Double(), nullable=False),
        sa.Column("reading_closed_at", sa.Double()),
        sa.Column("revision_closed_at", sa.Double()),
        sa.PrimaryKeyConstraint("study_id", "account"),
        sa.UniqueConstraint("study_id", "place"),
    )
    op.create_table(
        "study_image",
        sa.Column("study_id", sa.Text(), sa.ForeignKey("reader_study.id"), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hands", sa.Integer(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.Column("refusal_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "image_id"),
    )
    op.create_table(
        "study_hand",
        sa.Column("study_id", sa.Text(), sa.ForeignKey("reader_study.id"), nullable=False),
        sa.Column("hand_id", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("pixels", sa.Text(), nullable=False, server_default=""),
        sa.Column("model_json", sa.Text()),
        sa.Column("request_json", sa.Text()),
        sa.Column("problem", sa.Text(), nullable=False, server_default=""),
        sa.Column("path", sa.Text()),
        sa.Column("sha256", sa.Text()),
        sa.Column("picture_path", sa.Text()),
        sa.Column("picture_sha256", sa.Text()),
        sa.Column("levels_path", sa.Text()),
        sa.Column("levels_sha256", sa.Text()),
        sa.Column("added_by", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("study_id", "hand_id"),
    )
    op.create_table(
        "study_task",
        sa.Column("task_id", sa.Text(), primary_key=True),
        sa.Column("study_id", sa.Text(), sa.ForeignKey("reader_study.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("hand_id", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("spent_ms", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("updated_at", sa.Double()),
        sa.Column("state_json", sa.Text(), nullable=False),
        sa.UniqueConstraint("study_id", "kind", "account", "place"),
    )
    op.create_table(
        "judgement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("action_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("model_seen", sa.Boolean(), nullable=False),
        sa.Column("reader_study_id", sa.Text()),
        sa.Column("task_id", sa.Text()),
        sa.Column("sequence", sa.Integer()),
        sa.Column("hand_id", sa.Text()),
        sa.Column("study_uid", sa.Text()),
        sa.Column("sop_instance_uid", sa.Text()),
        sa.Column("version", sa.Integer()),
        sa.Column("bundle_sha256", sa.Text()),
        sa.Column("side", sa.Text()),
        sa.Column("ra", sa.Boolean()),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("joint", sa.Text(), nullable=False, server_default=""),
        sa.Column("stage", sa.Integer()),
        sa.Column("x", sa.Double()),
        sa.Column("y", sa.Double()),
        sa.Column("reason", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("undoes", sa.Text()),
        sa.Column("spent_ms", sa.BigInteger()),
        sa.UniqueConstraint("action_id", "part"),
        sa.UniqueConstraint("task_id", "sequence", "part"),
    )
    op.create_table(
        "study_signature",
        sa.Column("study_id", sa.Text(), sa.ForeignKey("reader_study.id"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "account", "digest"),
    )
    op.create_index("ix_study_reader_account", "study_reader", ["account"])
    op.create_index("ix_study_task_next", "study_task", ["study_id", "kind", "account", "complete", "place"])
    op.create_index("ix_study_task_hand", "study_task", ["study_id", "hand_id"])
    op.create_index("ix_judgement_hand", "judgement", ["reader_study_id", "hand_id"])
    op.create_index("ix_judgement_study", "judgement", ["study_uid"])
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER judgement_is_kept_{act.lower()} BEFORE {act} ON judgement "
                "BEGIN SELECT RAISE(ABORT, 'judgements are never changed'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION judgement_is_kept() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'judgements are never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER judgement_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON judgement "
        "FOR EACH STATEMENT EXECUTE FUNCTION judgement_is_kept()"
    )
