"""Withdrawals of results: requested by an operator, begun behind live work."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "withdrawal",
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text()),
        sa.Column("requested_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("new_version", sa.Integer()),
        sa.PrimaryKeyConstraint("study_uid", "version"),
        sa.ForeignKeyConstraint(["study_uid", "version"], ["result.study_uid", "result.version"]),
    )
    waiting = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_withdrawal_waiting",
        "withdrawal",
        ["requested_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
