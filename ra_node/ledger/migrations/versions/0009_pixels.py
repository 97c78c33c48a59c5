"""Digests of decoded pixels and of headers, and resent copies whose pixels are still to be compared."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instance", sa.Column("pixel_sha256", sa.Text()))
    op.add_column("instance", sa.Column("header_digest", sa.Text()))
    op.create_table(
        "resent",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("instance_id", sa.Text(), sa.ForeignKey("instance.id"), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.Text(), sa.ForeignKey("study.study_uid"), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("row_json", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.UniqueConstraint("instance_id", "sha256"),
    )
    op.create_index("ix_resent_study_uid", "resent", ["study_uid"])
