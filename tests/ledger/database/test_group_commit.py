"""Changes that share a transaction succeed and fail each by itself, and none is told before the commit."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert
from sqlalchemy.exc import IntegrityError

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, LedgerUnavailable, open_ledger
from ra_node.ledger.database.events import note, timeline
from ra_node.ledger.database.group_commit import GroupCommit
from ra_node.ledger.inbox import Kept, Repeated, keep_instance
from ra_node.ledger.overview import job_counts
from tests.conftest import wait_until
from tests.ledger.builders import new_instance

Act = Callable[[Connection], object]


def noting(study_uid: str) -> Act:
    """A change that leaves one trace."""

    def act(connection: Connection) -> str:
        note(connection, 0.0, "instance_stored", study_uid)
        return study_uid

    return act


class Crowd:
    """Threads that all want to write while one transaction is held open, so that they are the next one."""

    def __init__(self, ledger: Ledger) -> None:
        self.together = GroupCommit(ledger)
        self.outcomes: dict[int, object] = {}

    def write(self, acts: list[Act]) -> list[object]:
        """Give the result or the error of each."""
        entered, leave = threading.Event(), threading.Event()

        def hold(_connection: Connection) -> None:
            entered.set()
            leave.wait(120)

        first = threading.Thread(target=self.together.write, args=(hold,))
        first.start()
        entered.wait(120)
        threads = [threading.Thread(target=self._one, args=item) for item in enumerate(acts)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(self.together._gathered) == len(acts), "everybody in line", 120)
        leave.set()
        for thread in (first, *threads):
            thread.join(120)
        return [self.outcomes[number] for number in range(len(acts))]

    def _one(self, number: int, act: Act) -> None:
        try:
            self.outcomes[number] = self.together.write(act)
        except Exception as error:  # noqa: BLE001 - the outcome of this thread
            self.outcomes[number] = error


@pytest.fixture
def lone_ledger(tmp_path: Path, made_file: Path) -> Iterator[Ledger]:
    """In SQLite: on a server everybody commits alone."""
    shutil.copy(made_file, tmp_path / "ledger.sqlite")
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def crowd(lone_ledger: Ledger) -> Crowd:
    return Crowd(lone_ledger)


@pytest.fixture
def commits(lone_ledger: Ledger) -> list[int]:
    """One entry for each commit."""
    seen: list[int] = []
    event.listen(lone_ledger.engine, "commit", lambda _connection: seen.append(1))
    return seen


def traces(ledger: Ledger, *study_uids: str) -> int:
    return sum(len(timeline(ledger, uid)) for uid in study_uids)


def test_who_waits_at_the_same_time_is_committed_at_once(crowd: Crowd, lone_ledger: Ledger, commits):
    """One sync for all of them; each gets its own result."""
    assert crowd.write([noting(f"1.{n}") for n in range(6)]) == [f"1.{n}" for n in range(6)]
    assert len(commits) == 2
    assert traces(lone_ledger, *(f"1.{n}" for n in range(6))) == 6


def test_an_error_undoes_one_change_and_no_other(crowd: Crowd, lone_ledger: Ledger):
    """A repeated instance is one, and the images beside it are still new."""

    def fail(connection: Connection) -> None:
        noting("1.1")(connection)
        raise LookupError("nobody")

    first, error, last = crowd.write([noting("1.0"), fail, noting("1.2")])
    assert (first, last) == ("1.0", "1.2")
    assert isinstance(error, LookupError)
    assert [traces(lone_ledger, f"1.{n}") for n in range(3)] == [1, 0, 1]


def test_who_breaks_the_transaction_of_all_is_the_only_one_to_fail(crowd: Crowd, lone_ledger: Ledger):
    """An error of the database is raised where it belongs, after everybody has tried alone."""

    def broken(connection: Connection) -> None:
        row = {"id": "one", "listener": "x", "calling_ae": "y", "peer_address": "z", "opened_at": 0.0}
        for _ in range(2):
            connection.execute(insert(schema.association), [row])

    first, error, last = crowd.write([noting("1.0"), broken, noting("1.2")])
    assert (first, last) == ("1.0", "1.2")
    assert isinstance(error, IntegrityError)
    assert traces(lone_ledger, "1.0", "1.2") == 2


def test_nobody_is_told_success_when_the_commit_fails(crowd: Crowd, lone_ledger: Ledger):
    """Each of them tells its peer to send again."""
    refuse = {"on": False}

    def lost(_connection: Connection) -> None:
        if refuse["on"]:
            raise ConnectionResetError("gone")

    def last(connection: Connection) -> None:
        noting("1.9")(connection)
        refuse["on"] = True

    event.listen(lone_ledger.engine, "commit", lost)
    outcomes = crowd.write([noting("1.0"), noting("1.1"), last])
    assert [type(each) for each in outcomes] == [LedgerUnavailable] * 3
    refuse["on"] = False
    assert traces(lone_ledger, "1.0", "1.1", "1.9") == 0


def test_the_line_goes_on_after_a_leader_that_failed(crowd: Crowd, lone_ledger: Ledger):
    """Whoever comes next commits, and nobody waits for ever."""

    def fail(_connection: Connection) -> None:
        raise LookupError("nobody")

    for _ in range(2):
        with pytest.raises(LookupError):
            crowd.together.write(fail)
    assert crowd.together.write(noting("1.0")) == "1.0"


def test_of_duplicates_in_one_transaction_exactly_one_is_kept(ledger: Ledger):
    """A PACS that sends a study on eight associations at the same time."""
    together, barrier, found = GroupCommit(ledger), threading.Barrier(8), []

    def store(number: int) -> None:
        for image in range(10):
            barrier.wait(120)
            found.append(
                keep_instance(ledger, new_instance(f"1.2.3.1.{(image + number // 2) % 10}"), together)
            )

    threads = [threading.Thread(target=store, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sum(isinstance(one, Kept) for one in found) == 10
    assert sum(isinstance(one, Repeated) for one in found) == 70
    assert sum(job_counts(ledger).values()) == 10
