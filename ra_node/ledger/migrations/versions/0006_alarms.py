"""Alarms, named values of the ledger itself, and the SHA-256 of every file that is kept or made."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarm",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject"),
    )
    op.create_table(
        "property",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.add_column("instance", sa.Column("sha256", sa.Text()))
    op.add_column("instance", sa.Column("preview_sha256", sa.Text()))
    op.add_column("object", sa.Column("sha256", sa.Text()))
