"""Prior answers of the same patient, who is identified by a keyed hash only."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("result", sa.Column("patient_key", sa.Text(), nullable=True))
    op.add_column("result", sa.Column("study_at", sa.Text(), nullable=True))
    op.create_index("ix_result_patient", "result", ["patient_key", "study_at"], unique=False)
