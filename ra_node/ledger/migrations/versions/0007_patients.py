"""Whom each instance names, as keyed hashes, so that the objects of a study can be compared for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instance", sa.Column("patient", sa.Text()))
