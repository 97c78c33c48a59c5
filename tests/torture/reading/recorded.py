"""What the ledger holds of a reader, and what must not reach him."""

from __future__ import annotations

import json

from sqlalchemy import select, update

from ra_node.bootstrap.node_context import State
from ra_node.ledger.database.reader_study_schema import judgement, study_hand, study_task
from tests.torture.reading.site import MARKED

MARKED_MODEL = '{"stage": 4, "probability": 0.98765432, "threshold": 0.45678912, "joints": {"mcp_2": 4}}'
"""The model's result on every hand, which no byte to a reader may hold before he has closed."""
MODEL = ("98765432", "45678912", "probability")


def mark_model_results(state: State, study: str) -> None:
    """Give every hand a result of the model by which it is known in the traffic."""
    with state.ledger.write() as connection:
        connection.execute(
            update(study_hand).where(study_hand.c.study_id == study).values(model_json=MARKED_MODEL)
        )


def recorded(state: State, study: str, name: str) -> tuple[list[str], dict[str, dict[str, int]]]:
    """Ids of the actions of a reader in the ledger, and the labels in force by task."""
    actions = select(judgement.c.action_id).where(
        judgement.c.reader_study_id == study,
        judgement.c.person == name,
        judgement.c.part == 0,
        judgement.c.task_id.in_(
            select(study_task.c.task_id).where(study_task.c.study_id == study, study_task.c.kind == "reading")
        ),
    )
    tasks = select(study_task.c.task_id, study_task.c.state_json).where(
        study_task.c.study_id == study, study_task.c.account == name, study_task.c.kind == "reading"
    )
    with state.ledger.read() as connection:
        ids = [str(one) for one in connection.execute(actions).scalars()]
        labels = {row[0]: json.loads(row[1]) for row in connection.execute(tasks)}
    return ids, labels


def labels_of(kept: dict[str, object]) -> dict[str, int]:
    """Labels of the state that a task keeps."""
    marks = kept.get("marks", kept)
    assert isinstance(marks, dict)
    return dict(marks["labels"])


def hands_by_task(state: State, study: str) -> dict[str, str]:
    with state.ledger.read() as connection:
        query = select(study_task.c.task_id, study_task.c.hand_id).where(study_task.c.study_id == study)
        return {row[0]: row[1] for row in connection.execute(query)}


def secrets_of(state: State, study: str, reader: str) -> tuple[bytes, ...]:
    """What must not reach a reader: the other account and his tasks, hands, headers, the model's results."""
    with state.ledger.read() as connection:
        tasks = select(study_task.c.task_id, study_task.c.account).where(study_task.c.study_id == study)
        others = [row[0] for row in connection.execute(tasks) if row[1] != reader]
        hands = select(study_hand.c.hand_id, study_hand.c.patient).where(study_hand.c.study_id == study)
        known = [text for row in connection.execute(hands) for text in row if text]
    return tuple(word.encode() for word in ("bob", *MARKED, *MODEL, *others, *known))


def study_ids(state: State) -> list[str]:
    with state.ledger.read() as connection:
        return [str(one) for one in connection.execute(select(study_task.c.study_id).distinct()).scalars()]
