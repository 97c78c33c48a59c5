"""Tasks and judgements hold on both databases: one row an action, none twice, none changed."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ra_node.domain.reader_study.roles import Phase
from ra_node.ledger.reader_studies.studies import find_study
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.record import Conflict, Saved
from tests.services.reader_studies.builders import ANNA, BEN, new_study, whole


@pytest.fixture
def study(ledger, tmp_path):
    return new_study(ledger, Files(tmp_path))


def test_a_whole_study_goes_from_reading_to_consensus(study):
    study.read(ANNA, lambda _n, _o: whole(1))
    study.read(BEN, lambda n, _o: whole(3 if n == 1 else 1))
    for who in (ANNA, BEN):
        study.keep_all(who)
    study.decide(BEN)
    with study.ledger.read() as connection:
        assert find_study(connection, "wrists").phase is Phase.CONSENSUS


def test_two_tabs_at_the_same_moment_write_once(study):
    from ra_node.services.reader_studies.reading import next_hand

    task = next_hand(study.ledger, study.files, study.id, ANNA).task
    found, start = [], threading.Barrier(4)

    def tab(stage: int) -> None:
        start.wait()
        found.append(study.mark(ANNA, task, whole(stage), 1))

    tabs = [threading.Thread(target=tab, args=(stage,)) for stage in range(4)]
    for one in tabs:
        one.start()
    for one in tabs:
        one.join()
    assert sum(isinstance(one, Saved) for one in found) == 1
    assert sum(isinstance(one, Conflict) for one in found) == 3


@pytest.mark.parametrize("statement", ["UPDATE judgement SET stage = 0", "DELETE FROM judgement"])
def test_no_judgement_is_ever_changed(study, statement):
    study.read(ANNA, lambda _n, _o: whole(1), close=False)
    with pytest.raises(DBAPIError, match="never changed"), study.ledger.write() as connection:
        connection.execute(text(statement))
