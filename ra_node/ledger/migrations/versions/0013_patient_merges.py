"""Merged patients by keyed hashes, and which HL7 messages were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patient_merge",
        sa.Column("old_digest", sa.Text(), primary_key=True),
        sa.Column("new_digest", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )
    op.create_index("ix_patient_merge_new_digest", "patient_merge", ["new_digest"])
    op.create_table(
        "patient_alias",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "patient_key"),
    )
    op.create_table(
        "hl7_message",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
    )
