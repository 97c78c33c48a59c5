"""The worker starts one process for what the page asked for, and ends it with itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ra_node.bootstrap.node_context import State
from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.runtime.reader_study_maker import EVERY_S, ReaderStudyMaker
from ra_node.services.reader_studies.making import create_study
from ra_node.services.reader_studies.sources import SourceKind, StudySourceSpec
from tests.services.conftest import bench

__all__ = ["bench"]


class Process:
    """A process that lives until it is told."""

    exitcode = 0

    def __init__(self) -> None:
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive

    def kill(self) -> None:
        self.alive = False

    def join(self) -> None:
        assert not self.alive


@pytest.fixture
def maker(bench):
    started: list[Process] = []
    now = SimpleNamespace(s=0.0)

    def start(_settings):
        started.append(Process())
        return started[-1]

    made = ReaderStudyMaker(None, State(bench.ledger, bench.files), lambda: now.s, start)
    return SimpleNamespace(maker=made, started=started, now=now, bench=bench)


def look(one) -> int:
    one.now.s += EVERY_S
    one.maker.look()
    return len(one.started)


def test_nothing_is_started_while_there_is_nothing_to_make(maker):
    assert look(maker) == 0


def test_one_process_at_a_time_makes_what_was_asked_for_and_another_goes_on_after_its_death(maker):
    source = StudySourceSpec(SourceKind.HELD)
    create_study(maker.bench.ledger, maker.bench.files, "held", source, StudyPlan(), "chief")
    assert look(maker) == 1
    assert look(maker) == 1
    maker.started[0].alive = False
    assert look(maker) == 2
    maker.maker.end()
    assert not maker.started[1].alive


def test_a_study_that_could_not_be_made_is_not_tried_for_ever(maker):
    from ra_node.ledger.reader_studies.studies import update_study

    source = StudySourceSpec(SourceKind.HELD)
    study = create_study(maker.bench.ledger, maker.bench.files, "held", source, StudyPlan(), "chief")
    with maker.bench.ledger.write() as connection:
        update_study(connection, study.id, problem="expected hands to read, found none")
    assert look(maker) == 0
