"""The commands that decide what is kept: purge, drop, requeue, and what status says before and after."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ra_node.bootstrap.node_context import open_state
from ra_node.cli.app import app, main
from ra_node.domain.job import JobKind
from ra_node.ledger.database.events import record
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, record_delivery
from ra_node.ledger.jobs.peer_backoff import begin_outage, outages
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.retention import known_paths
from ra_node.settings.node import load_settings
from tests.ledger.builders import LEASE_S, FakeClock, answered_study

DAY_S = 86400.0
CONFIG = """
[node]
data_dir = "state"
port = 0
[limits]
min_free_gib = {low}
[retention]
keep_days = 30
[[peer]]
name = "pacs"
ae_title = "PACS"
port = 11112
roles = ["destination"]
commitment = true
"""


class Kept:
    """A node whose ledger tests fill as they like, and the commands that see it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "node.toml"
        self.write(low=0)
        self.clock = FakeClock(time.time())
        state = open_state(load_settings(self.path))
        self.ledger, self.store = replace(state.ledger, clock=self.clock), state.files

    def seen_today(self) -> None:
        """The ledger has an event of now: a machine without a time server believes its clock then."""
        record(self.ledger, "node_started")

    def write(self, low: float) -> None:
        self.path.write_text(CONFIG.format(low=low), encoding="utf-8")

    def run(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "--config", str(self.path)])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    def answered(self, study: str, *, days_ago: float = 0.0, peers: tuple[str, ...] = ("pacs",)) -> None:
        """A study with its files, whose answer waits for its destinations."""
        now = self.clock.now
        self.clock.now = now - days_ago * DAY_S
        before = known_paths(self.ledger)
        answered_study(self.ledger, study, peers)
        self.clock.now = now
        for path in known_paths(self.ledger) - before:
            file = self.store.path(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(bytes(1000))

    def delivered(self, study: str, *, commit: bool = False) -> None:
        """The destination pacs took the study."""
        (job,) = claim(self.ledger, [JobKind.DELIVER], "d", 1, LEASE_S, peer="pacs")
        outcomes = [DeliveryOutcome(f"{study}.9.1.{n}", DeliveryState.ACCEPTED, 0) for n in (1, 2)]
        record_delivery(self.ledger, job, outcomes, retry_at=0, give_up_after_s=None, commit=commit)

    @property
    def files(self) -> int:
        return sum(self.store.path(path).exists() for path in known_paths(self.ledger))


@pytest.fixture
def node(tmp_path):
    kept = Kept(tmp_path)
    yield kept
    kept.ledger.close()


def test_purge_says_what_would_go_and_then_takes_it(node):
    node.answered("1.2.3", days_ago=31)
    node.delivered("1.2.3")
    assert node.run("purge", "--dry-run") == "1 studies, 4 files, 0.0 MiB would be removed"
    assert node.files == 4
    assert node.run("purge").endswith("1 studies, 4 files, 0.0 MiB removed")
    assert node.files == 0
    assert node.run("purge") == "0 studies, 0 files, 0.0 MiB removed"
    assert json.loads(node.run("status", "--json"))["studies"] == {"answered": 1}


def test_purge_leaves_what_is_young_or_not_delivered_or_not_promised(node):
    node.answered("1.1", days_ago=29)
    node.delivered("1.1")
    node.answered("1.2", days_ago=31)
    node.delivered("1.2", commit=True)
    node.answered("1.3", days_ago=31)
    node.seen_today()
    assert node.run("purge") == "0 studies, 0 files, 0.0 MiB removed"
    assert node.files == 12


def test_drop_gives_up_a_destination_that_is_gone_and_frees_its_files(node):
    node.answered("1.2.3", days_ago=31, peers=("old",))
    said = node.run("status")
    assert "destination old 2 objects wait for a destination that is not configured" in said
    assert "ra-node drop --peer old" in said
    assert node.run("drop", "--peer", "old") == "2 objects dropped"
    assert "destination old" not in node.run("status")
    assert "1 studies, 4 files" in node.run("purge")


def test_drop_takes_one_study_and_leaves_the_others(node):
    node.answered("1.1")
    node.answered("1.2")
    assert node.run("drop", "1.1") == "2 objects dropped"
    assert json.loads(node.run("status", "--json"))["peers"][0]["waiting"] == 2
    assert "Nothing is pending under this name" in node.run("drop", "1.1", code=1)


def test_drop_of_everything_has_to_be_said(node, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["ra-node", "drop", "--config", str(node.path)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "name a study, or a destination with --peer" in capsys.readouterr().err


def test_withdraw_shows_first_and_then_asks_once(node):
    """--dry-run changes nothing; the second request finds the first."""
    node.answered("2.25.7")
    assert node.run("withdraw", "2.25.7", "--dry-run").endswith("1 result would be withdrawn")
    assert "1 result to be withdrawn;" in node.run("withdraw", "2.25.7", "--reason", "wrong side", "--safety")
    assert "0 results to be withdrawn, 1 requested before" in node.run("withdraw", "2.25.7", "--reason", "x")
    audit = node.run("audit")
    assert "wrong side" in audit
    assert "withdrawal" in audit


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--reason", "x"), "name a study, or a bundle"),
        (
            ("1.2", "--bundle", "abcdef01", "--since", "2026-01-01", "--reason", "x"),
            "name a study, or a bundle",
        ),
        (("--bundle", "abcdef01", "--reason", "x"), "--since"),
        (("1.2", "--since", "2026-01-01", "--reason", "x"), "belongs to --bundle"),
        (("--bundle", "0" * 12, "--since", "yesterday", "--reason", "x"), "expected a date or time"),
        (("--bundle", "xyz", "--since", "2026-01-01", "--reason", "x"), "hexadecimal"),
        (("--bundle", "0" * 65, "--since", "2026-01-01", "--reason", "x"), "hexadecimal"),
        (("2.25.8",), "a reason of 1 to 200"),
        (("2.25.8", "--reason", "x" * 201), "a reason of 1 to 200"),
    ],
)
def test_withdraw_says_what_it_lacks(node, words, said):
    """A usage error; nothing is recorded."""
    shown = node.run("withdraw", *words, code=2)
    assert said in " ".join(shown.replace("│", " ").split())


def test_a_since_that_is_no_time_is_a_usage_error_of_audit_too(node):
    """Nor is the reading of the event log recorded."""
    node.run("audit", "--since", "yesterday", code=2)
    assert "yesterday" not in node.run("audit")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("2.25.404", "--reason", "x"), "2.25.404"),
        (("--bundle", "0" * 12, "--since", "2026-01-01", "--reason", "x"), "found none"),
    ],
)
def test_withdraw_of_nothing_is_an_error_and_changes_nothing(node, words, said):
    result = CliRunner().invoke(app, ["withdraw", *words, "--config", str(node.path)])
    assert said in str(result.exception)
    assert "withdrawal" not in node.run("audit")


def test_requeue_of_a_destination_tries_it_again_at_once(node):
    node.answered("1.2.3")
    jobs = claim(node.ledger, [JobKind.DELIVER], "d", 8, LEASE_S, peer="pacs")
    begin_outage(node.ledger, jobs, "connection refused", lambda _: 3600.0, give_up_after_s=1e6)
    assert "not reachable (deliver)" in node.run("status")
    assert claim(node.ledger, [JobKind.DELIVER], "d", 8, LEASE_S, peer="pacs") == []
    assert node.run("requeue", "pacs") == "0 jobs requeued pacs is retried now"
    assert outages(node.ledger) == []
    assert "not reachable" not in node.run("status")
    assert len(claim(node.ledger, [JobKind.DELIVER], "d", 8, LEASE_S, peer="pacs")) == 1


def test_status_counts_delivered_and_promised_apart_and_names_each_destination(node):
    node.answered("1.1", peers=("pacs", "old"))
    node.delivered("1.1", commit=True)
    said = json.loads(node.run("status", "--json"))
    assert sum(said["deliveries"].values()) == 4
    assert {name: count for name, count in said["commitments"].items() if "pacs" in name} == {
        "pacs waiting": 2
    }
    standing = {one["peer"]: (one["configured"], one["waiting"], one["uncommitted"]) for one in said["peers"]}
    assert standing == {"pacs": (True, 0, 2), "old": (False, 2, 0)}
    assert said["disk"]["free"] > 0


def test_status_says_that_the_disk_is_nearly_full_and_what_that_means(node):
    assert "images are refused" not in node.run("status")
    node.write(low=1_000_000)
    said = node.run("status")
    assert "images are refused and analysis waits" in said
    assert "below 1000000.0 GiB" in said
