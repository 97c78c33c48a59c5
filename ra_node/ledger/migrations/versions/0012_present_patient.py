"""Files with the patient of a study as a PACS gave it; the ledger holds their keyed digests alone."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "present_patient",
        sa.Column("study_uid", sa.Text(), sa.ForeignKey("study.study_uid"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("path", sa.Text()),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", "digest"),
    )
