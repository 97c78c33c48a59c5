"""The report is one file that needs nothing else, and sets our figures beside the paper's."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ra_node.errors import Fatal
from tests.training.evaluated_runs import write_run
from training.experiments import paper_numbers
from training.experiments.run_summary import Shown, read_shown
from training.report.figures import losses
from training.report.page import report


class Page(HTMLParser):
    """Collects every address and the cells of each row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.rows: list[list[str]] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag in {"script", "link", "iframe"}
        self.addresses += [value or "" for key, value in attrs if key in {"src", "href"}]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"} and self.rows:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += f" {data.strip()}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Shown]:
    folder = tmp_path_factory.mktemp("runs")
    return read_shown([write_run(folder / "one"), write_run(folder / "two", "alexnet", seed=1)])


@pytest.fixture(scope="module")
def text(runs: list[Shown]) -> str:
    return report(runs, [losses(runs)])


def test_nothing_is_fetched_from_elsewhere(text: str) -> None:
    page = Page(text)
    assert page.scripts == 0
    assert page.addresses
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert re.search(r"@import|url\(|https?:", text) is None


def test_the_papers_two_tables_are_there_cell_by_cell(text: str) -> None:
    rows = [row for row in Page(text).rows if row and row[0].strip().endswith(", paper")]
    printed = [[float(cell.split()[0]) for cell in row[1:]] for row in rows]
    expected = [*paper_numbers.RECOGNITION.values(), *paper_numbers.STAGING.values()]
    assert printed == [list(row) for row in expected]
    assert "46.2 to 95.0" in rows[0][4]


def test_our_row_follows_the_papers_of_its_architecture_with_intervals(text: str, runs: list[Shown]) -> None:
    rows = Page(text).rows
    at = next(k for k, row in enumerate(rows) if row and row[0].strip() == "GoogLeNet, paper")
    assert rows[at + 1][0].strip() == "GoogLeNet, ours, simulated"
    value, low, high = runs[0].result.held_out.recognition["sensitivity"]
    assert rows[at + 1][3].split() == [f"{100 * value:.2f}", f"{100 * low:.1f}", "to", f"{100 * high:.1f}"]


def test_it_says_what_differs_and_what_its_numbers_are_not(text: str, runs: list[Shown]) -> None:
    flat = " ".join(text.split())
    for said in (
        "simulated lesions",
        "not comparable as if both",
        "not a medical device",
        "do not reproduce them",
        "random weights",
    ):
        assert said in flat
    for run in runs:
        assert all(digest in text for digest in run.sha256.values())
    assert "sex F" in text
    assert "for 90 % sensitivity" in text


def test_a_run_that_was_not_evaluated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"expected predictions\.npz in .*training evaluate"):
        read_shown([tmp_path])


def test_two_runs_of_one_architecture_have_names_of_their_own(tmp_path: Path) -> None:
    shown = read_shown([write_run(tmp_path / "a"), write_run(tmp_path / "b")])
    assert [one.name for one in shown] == ["GoogLeNet, a", "GoogLeNet, b"]
