"""Hands of a reader study stay until it is exported and old enough; what was read stays for ever."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ra_node.ledger.reader_studies.studies import update_study
from ra_node.services.reader_studies.reading import next_hand, picture
from ra_node.services.reader_studies.views import FileGone
from ra_node.services.retention.reader_studies import purge_reader_studies
from tests.services.reader_studies.builders import ANNA, new_study, whole


def test_only_an_exported_reader_study_loses_its_hands_and_never_its_marks(bench):
    study = new_study(bench.ledger, bench.files)
    task = next_hand(bench.ledger, bench.files, study.id, ANNA)
    study.mark(ANNA, task.task, whole(2), 1)
    bench.clock.advance(1000)
    assert purge_reader_studies(bench.ledger, bench.files, 100) == 0
    with bench.ledger.write() as connection:
        update_study(connection, study.id, exported_at=bench.ledger.clock())
    assert purge_reader_studies(bench.ledger, bench.files, 100) == 0
    bench.clock.advance(101)
    assert purge_reader_studies(bench.ledger, bench.files, 100) == 1
    assert purge_reader_studies(bench.ledger, bench.files, 100) == 0
    with pytest.raises(FileGone, match="retention"):
        picture(bench.ledger, bench.files, study.id, ANNA, task.task)
    with bench.ledger.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM judgement")).scalar_one() == 1
    assert not (bench.files.data_dir / "reader-studies" / study.id).exists()
