"""Search terms of each study: keyed hashes of its identifiers, and what its newest report says."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    made = op.create_table(
        "search_term",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.Text(), sa.ForeignKey("study.study_uid"), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "study_uid"),
    )
    op.create_index("ix_search_term_study_uid", "search_term", ["study_uid"])
    rows = [*_of_identities(), *_of_reports()]
    if rows:
        terms = [
            {"kind": kind, "value": value, "study_uid": uid} for kind, value, uid in dict.fromkeys(rows)
        ]
        op.bulk_insert(made, terms)


def _of_identities() -> list[tuple[str, str, str]]:
    """From the keyed hashes that the instances have had since 0007."""
    found = []
    query = sa.text("SELECT study_uid, patient FROM instance WHERE patient IS NOT NULL AND patient <> ''")
    for uid, patient in op.get_bind().execute(query):
        kept = json.loads(patient)
        ids = [kept.get("patient_id", ""), *kept.get("other_ids", [])]
        found += [("patient_id", value, uid) for value in ids if value]
        found += [("accession", kept["accession"], uid)] if kept.get("accession") else []
    return found


def _of_reports() -> list[tuple[str, str, str]]:
    """From the newest report event of each study."""
    query = sa.text(
        "SELECT event.study_uid, event.detail FROM event JOIN study ON study.study_uid = event.study_uid"
        " WHERE what = 'study_answered' ORDER BY event.id"
    )
    newest = {uid: json.loads(detail) for uid, detail in op.get_bind().execute(query)}
    return [(kind, value, uid) for uid, told in newest.items() for kind, value in _terms(told)]


def _terms(told: dict) -> list[tuple[str, str]]:  # type: ignore[type-arg]
    if "probabilities" not in told:
        return []
    results = [
        name
        for name, there in (
            ("suspected", told.get("positive")),
            ("not_seen", len(told["probabilities"].split()) > int(told.get("positive", 0))),
            ("inconclusive", told.get("inconclusive")),
            ("not_rated", told.get("refusal") or told.get("not_rated")),
        )
        if there
    ]
    reasons = dict.fromkeys([*str(told.get("refusal", "")).split(), *str(told.get("refusals", "")).split()])
    return [*(("result", name) for name in results), *(("reason", name) for name in reasons)]
