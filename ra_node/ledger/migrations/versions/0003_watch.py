"""Indexes for monitoring: unfinished rows are found without a scan of the finished ones."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_study_state", "study", ["state", "last_received_at"], unique=False)
    op.create_index(
        "ix_delivery_open",
        "delivery",
        ["peer", "state"],
        unique=False,
        sqlite_where=sa.text("state <> 'accepted'"),
        postgresql_where=sa.text("state <> 'accepted'"),
    )
    op.create_index(
        "ix_delivery_unkept",
        "delivery",
        ["peer", "commitment"],
        unique=False,
        sqlite_where=sa.text("commitment IN ('waiting', 'lacking')"),
        postgresql_where=sa.text("commitment IN ('waiting', 'lacking')"),
    )
