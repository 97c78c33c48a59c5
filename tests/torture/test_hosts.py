"""A host dies, the ledger is away, an image kills its worker: small cuts of `make torture`."""

from __future__ import annotations

import pytest

from tests.conftest import find_tool
from tests.torture.broken import POISON_UID
from tests.torture.hosts import lose_a_host, lose_the_ledger
from tests.torture.poisoned import MATES, poison


@pytest.fixture(autouse=True)
def senders_are_there():
    find_tool("storescu")
    find_tool("dcmsend")


def test_the_work_of_a_dead_host_is_done_once_by_the_other(pacs, tmp_path):
    """Two hosts on PostgreSQL and common files; all roles of one die by kill -9 and never come back."""
    taken = lose_a_host(tmp_path, pacs, count=4, seed=31)
    assert taken.held_jobs > 0
    assert taken.verdict.acknowledged > 0
    assert taken.verdict.kept, taken.verdict


def test_without_its_ledger_a_listener_says_out_of_resources_and_all_goes_on_afterwards(pacs, tmp_path):
    """PS3.4 table B.2-1 0xA7xx; the sender keeps its copy, nobody starts anything again."""
    found = lose_the_ledger(tmp_path, pacs, count=4, seconds=3.0, seed=32)
    assert found.store_status is not None
    assert found.store_status & 0xFF00 == 0xA700
    assert found.rejected
    assert found.status_afterwards == 0x0000
    assert found.same_processes
    assert found.verdict.kept, found.verdict


def test_a_poisoned_study_is_buried_alone_and_its_batch_mates_pass(tmp_path):
    found = poison(tmp_path)
    assert found.buried == (POISON_UID,)
    assert len(found.examined) == MATES
    assert found.answered == MATES + 1
    assert found.deaths >= 3
