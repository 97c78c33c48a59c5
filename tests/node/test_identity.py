"""A listener as a process of its own acknowledges nothing into a folder or a ledger that is not its own."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ra_node.cli.exit_codes import Exit
from tests.conftest import wait_until
from tests.node import forked
from tests.node.harness import Node
from tests.node.identity_node import (
    OUT_OF_RESOURCES,
    SUCCESS,
    associated,
    checkpoint,
    expect_refusal,
    kept,
    ledger,
    listener,
    marked,
    newest,
    run,
    send,
    state,
    store,
    sweep,
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listener(tmp_path / "node") as running:
        yield running


def removed(node: Node) -> None:
    ledger(node).unlink()


def replaced(node: Node) -> None:
    other = ledger(node).with_name("other")
    shutil.copy(ledger(node), other)
    other.rename(ledger(node))


def truncated(node: Node) -> None:
    os.truncate(ledger(node), 0)


def overwritten(node: Node) -> None:
    with ledger(node).open("r+b") as file:
        file.write(os.urandom(16384))


def journal_removed(node: Node) -> None:
    Path(f"{ledger(node)}-wal").unlink()


def inbox_removed(node: Node) -> None:
    shutil.rmtree(state(node) / "inbox")


def folder_removed(node: Node) -> None:
    shutil.rmtree(state(node))


def folder_unmounted(node: Node) -> None:
    """What is left of a mount point."""
    state(node).rename(node.folder / "away")
    (state(node) / "incoming").mkdir(parents=True)


def identity_truncated(node: Node) -> None:
    os.truncate(state(node) / "identity", 0)


DAMAGES = [
    removed,
    replaced,
    truncated,
    overwritten,
    journal_removed,
    inbox_removed,
    folder_removed,
    folder_unmounted,
    identity_truncated,
]

STAY_REFUSED = (removed, truncated, overwritten, inbox_removed, identity_truncated)
"""The next start knows of the first node by what is left of it. Where all of it is gone, it is a new one."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_listener_whose_ledger_or_folder_goes_away_acknowledges_nothing_more(
    node: Node, damage: Callable[[Node], None]
):
    """An association that is open already: its next C-STORE is no Success, and the listener ends."""
    with associated(node) as association:
        assert store(association, 1) == SUCCESS
        damage(node)
        assert store(association, 2) != SUCCESS
    wait_until(lambda: node.roles["listen"].poll() is not None, "the end of the listener", 300)
    if damage in STAY_REFUSED:
        assert run(node, "listen").returncode == Exit.NOT_NOW


def test_damage_in_the_middle_of_the_ledger_ends_the_listener(node: Node):
    """No header tells it and no page of it is read again: only reading the whole file finds it."""
    send(node, *range(1, 6))
    node.stop()
    checkpoint(node)
    size = ledger(node).stat().st_size
    node.start(["listen"])
    with ledger(node).open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(size - 8192))
    wait_until(lambda: node.roles["listen"].poll() is not None, "the end of the listener", 300)
    done = run(node, "listen")
    assert done.returncode != 0
    assert "malformed" in done.stderr or "sound ledger" in done.stderr


def test_what_the_journal_held_is_not_lost_with_its_name(node: Node):
    with associated(node) as association:
        assert [store(association, number) for number in (1, 2, 3)] == [SUCCESS] * 3
        journal_removed(node)
        assert store(association, 4) == OUT_OF_RESOURCES
    wait_until(lambda: node.roles["listen"].poll() is not None, "the end of the listener", 300)
    with closing(sqlite3.connect(ledger(node))) as opened:
        assert opened.execute("SELECT count(*) FROM instance").fetchone()[0] >= 3


def test_a_ledger_that_is_lost_is_not_made_anew_and_nothing_is_swept(node: Node):
    send(node, 1, 2, 3, 4)
    node.stop()
    ledger(node).unlink()
    expect_refusal(node, "expected a ledger beside its journal")
    for side in ("-wal", "-shm"):
        Path(f"{ledger(node)}{side}").unlink()
    expect_refusal(node, "expected a ledger at")
    sweep(node)
    run(node, "purge")
    assert not ledger(node).exists()
    assert kept(node) == 4


def test_an_empty_file_in_the_place_of_the_ledger_is_no_ledger(node: Node):
    send(node, 1)
    node.stop()
    checkpoint(node)
    ledger(node).write_bytes(b"")
    expect_refusal(node, "expected a ledger at")
    assert ledger(node).stat().st_size == 0


def test_an_older_ledger_is_refused_until_it_is_adopted(node: Node, tmp_path: Path):
    """A copy by `cp` has the right identity; the folder has seen events that it does not know."""
    send(node, 1, 2)
    node.stop()
    checkpoint(node)
    shutil.copy(ledger(node), tmp_path / "older")
    node.start(["listen"])
    send(node, 3, 4)
    wait_until(lambda: marked(node, newest(node)), "the mark")
    node.stop()
    checkpoint(node)
    shutil.copy(tmp_path / "older", ledger(node))
    expect_refusal(node, "found an older ledger")
    sweep(node)
    done = run(node, "purge")
    assert (done.returncode, "nothing is purged" in done.stderr) == (Exit.NOT_NOW, True)
    assert kept(node) == 4
    said = run(node, "adopt", "--yes", "--ingest").stdout
    assert "2 images, 0 previews" in said
    assert "2 images taken in again" in said
    assert (kept(node), kept(node, "unlisted")) == (4, 0)
    node.start(["listen"])
    assert run(node, "status", "--json").stdout.count('"kind": "identity"') == 0
    assert send(node, 3, 4, 5) == [SUCCESS] * 3
    assert kept(node) == 5


def test_adopt_waits_for_a_yes_and_for_the_node_to_stop(node: Node):
    send(node, 1)
    assert "stop the node first" in run(node, "adopt", "--yes").stderr
    node.stop()
    ledger(node).unlink()
    assert run(node, "adopt").returncode != 0
    assert not ledger(node).exists()
    assert run(node, "adopt", "--yes").returncode == 0
    assert (kept(node), kept(node, "unlisted")) == (0, 1)
    node.start(["listen"])
    assert send(node, 2) == [SUCCESS]


def test_an_unmounted_folder_under_a_ledger_elsewhere_is_refused(tmp_path: Path):
    elsewhere = f'[ledger]\nurl = "sqlite:///{tmp_path}/ledger.sqlite3"\n'
    node = Node(tmp_path / "node", [], extra=elsewhere, forked=True)
    node.start(["listen"])
    send(node, 1, 2)
    node.stop()
    folder_unmounted(node)
    expect_refusal(node, "found none")
    assert not (state(node) / "identity").exists()
    shutil.rmtree(state(node))
    (node.folder / "away").rename(state(node))
    node.start(["listen"])
    assert send(node, 3) == [SUCCESS]
    node.stop()


def test_the_data_folder_of_another_node_is_refused(tmp_path: Path):
    nodes = [
        Node(
            tmp_path / name, [], extra=f'[ledger]\nurl = "sqlite:///{tmp_path}/{name}.sqlite3"\n', forked=True
        )
        for name in "ab"
    ]
    for number, node in enumerate(nodes):
        node.start(["listen"])
        send(node, number)
        node.stop()
    shutil.rmtree(state(nodes[0]))
    shutil.copytree(state(nodes[1]), state(nodes[0]))
    expect_refusal(nodes[0], "expected the identity")
    sweep(nodes[0])
    assert kept(nodes[0]) == 1


def test_the_page_of_a_lost_ledger_says_so(node: Node, tmp_path: Path):
    """`listen` goes on refusing under its supervisor; the metrics are there for whoever is on call."""
    import urllib.request

    from tests.ports import free_port

    send(node, 1)
    node.stop()
    port = free_port()
    node.config.write_text(f"{node.config.read_text()}\n[web]\nport = {port}\n")
    ledger(node).rename(tmp_path / "ledger")
    running = forked.start(["web", "--config", str(node.config)], tmp_path / "web.log")

    def metrics() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    try:
        wait_until(lambda: "ra_node_ledger_up 0.0" in metrics(), "the metrics", 300)
        assert 'ra_node_alarms{kind="identity"} 1.0' in metrics()
        (tmp_path / "ledger").rename(ledger(node))
        wait_until(lambda: running.poll() is not None, "the end of the page, to begin anew", 300)
    finally:
        running.kill()
        running.wait()
