"""Which headers an instance had before it was corrected, as keyed hashes: none of them corrects it again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "earlier_header",
        sa.Column("instance_id", sa.Text(), sa.ForeignKey("instance.id"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "digest"),
    )
