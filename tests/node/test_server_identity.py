"""A ledger on PostgreSQL and its data folder know each other: a switch or an old state takes nothing away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import absent, wait_until
from tests.ledger.server import find_programs, postgresql
from tests.node.harness import Node
from tests.node.identity_node import (
    SUCCESS,
    expect_refusal,
    kept,
    listener,
    run,
    send,
    state,
    sweep,
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listener(tmp_path / "node") as running:
        yield running


@pytest.fixture
def server() -> Iterator[str]:
    programs = find_programs()
    if programs is None:
        absent("PostgreSQL is not installed")
    assert programs is not None
    with postgresql(programs) as url:
        yield url


def dumped(url: str, program: str, *words: str) -> None:
    """Call pg_dump or pg_restore on the tests' server."""
    programs = find_programs()
    assert programs is not None
    folder = Path(url.partition("unix_sock=")[2]).parent
    argv = [programs / program, "-h", str(folder), "-U", "ledger", "-d", "postgres", *words]
    subprocess.run(argv, check=True, timeout=300)


def test_a_switch_to_another_database_takes_nothing_away(node: Node, server: str):
    """[ledger] url set to PostgreSQL, as if that moved what the node knows: inbox 4 -> 0 before."""
    send(node, 1, 2, 3, 4)
    node.stop()
    text = node.config.read_text()
    node.config.write_text(f'{text}\n[ledger]\nurl = "{server}"\n')
    expect_refusal(node, "found an empty database")
    sweep(node)
    run(node, "purge")
    assert kept(node) == 4
    node.config.write_text(text)
    node.start(["listen"])
    assert send(node, 5) == [SUCCESS]


def test_a_server_that_was_restored_to_an_older_state_takes_nothing_away(tmp_path: Path, server: str):
    node = Node(tmp_path / "node", [], extra=f'[ledger]\nurl = "{server}"\n', forked=True)
    node.start(["listen"])
    send(node, 1, 2)
    node.stop()
    dumped(server, "pg_dump", "-Fc", "-f", str(tmp_path / "dump"))
    node.start(["listen"])
    send(node, 3, 4)
    wait_until((state(node) / "ledger-mark").exists, "the mark")
    node.stop()
    dumped(server, "pg_restore", "--clean", "--if-exists", str(tmp_path / "dump"))
    expect_refusal(node, "found an older ledger")
    sweep(node)
    assert kept(node) == 4
    assert run(node, "adopt", "--yes").returncode == 0
    assert (kept(node), kept(node, "unlisted")) == (2, 2)
    node.start(["listen"])
    assert send(node, 5) == [SUCCESS]
    node.stop()


def test_two_nodes_cannot_share_a_ledger_without_sharing_their_folder(tmp_path: Path, server: str):
    nodes = [Node(tmp_path / name, [], extra=f'[ledger]\nurl = "{server}"\n', forked=True) for name in "ab"]
    nodes[0].start(["listen"])
    send(nodes[0], 1)
    nodes[1].write_config()
    expect_refusal(nodes[1], "found none")
    assert send(nodes[0], 2) == [SUCCESS]
    nodes[0].stop()
