"""The report is one file that needs nothing else, and sets our figures beside the paper's."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ra_node.domain.statistics.agreement import Agreement
from ra_node.errors import Fatal
from tests.training.evaluated_runs import rows, write_run
from training.data.dataset import save_crops, stacked
from training.evaluation.evaluate import Hands
from training.evaluation.predictive_values import predictive_values
from training.experiments import paper_numbers
from training.experiments.run_summary import Shown, read_shown
from training.report.figures import losses
from training.report.misread import misread, worst_first
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
    assert all(
        address.startswith(("data:image/svg+xml;base64,", "data:image/png")) for address in page.addresses
    )
    assert re.search(r"@import|url\(|https?:", text) is None


def test_the_papers_two_tables_are_there_cell_by_cell(text: str) -> None:
    found = [row for row in Page(text).rows if row and row[0].strip().endswith(", paper")]
    printed = [[float(cell.split()[0]) for cell in row[1:]] for row in found]
    expected = [*paper_numbers.RECOGNITION.values(), *paper_numbers.STAGING.values()]
    assert printed == [list(row) for row in expected]
    assert "46.2 to 95.0" in found[0][4]


def test_our_row_follows_the_papers_of_its_architecture_with_intervals(text: str, runs: list[Shown]) -> None:
    lines = Page(text).rows
    at = next(k for k, row in enumerate(lines) if row and row[0].strip() == "GoogLeNet, paper")
    assert lines[at + 1][0].strip() == "GoogLeNet, ours, simulated"
    value, low, high = runs[0].result.held_out.recognition["sensitivity"]
    assert lines[at + 1][3].split() == [f"{100 * value:.2f}", f"{100 * low:.1f}", "to", f"{100 * high:.1f}"]


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


def test_hands_and_people_are_counted_apart(text: str) -> None:
    """Six hands each of eight people."""
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in Page(text).rows if row}
    assert cells["Held out"][:4] == ["48", "8", "8", "8"]
    assert "48 hands of 8 people; 8 of the hands are normal" in " ".join(text.split())


def test_no_network_is_chosen_by_its_held_out_figures(text: str) -> None:
    short = text[text.index("In short") : text.index("What differs")]
    assert "No network is chosen here" in short
    assert all(f"{name}: recognition" in " ".join(short.split()) for name in ("GoogLeNet", "AlexNet"))


def test_the_readers_own_agreement_stands_beside_the_run_s(runs: list[Shown]) -> None:
    agreement = Agreement("hands", 40, 32, (0.7, 0.6, 0.8), (0.9, float("nan"), float("nan")))
    shown = [replace(run, result=replace(run.result, readers=[agreement])) for run in runs]
    lines = [row for row in Page(report(shown, [])).rows if row]
    readers = next(row for row in lines if row[0].strip() == "Two readers, hands")
    assert [cell.split() for cell in readers[1:]] == [
        ["40"], ["80.0"], ["0.700", "0.600", "to", "0.800"], ["0.900", "no", "interval"],
    ]  # fmt: skip
    assert sum("and the label, hands" in row[0] for row in lines) == 2


def hands(stages: list[int], called: list[int], diseased: list[float]) -> Hands:
    staged = np.full((len(stages), 6), 0.02)
    staged[np.arange(len(stages)), called] = np.linspace(0.8, 0.9, len(stages))
    people = np.array([f"p{k}" for k in range(len(stages))])
    score = np.array(diseased)
    return Hands(np.array(stages), people, score, staged, score >= 0.5, score, staged)


def test_the_hands_that_are_farthest_off_come_first() -> None:
    """Of two as far off the one that recognition missed, then the one that was surer of itself."""
    found = worst_first(hands([0, 2, 2, 5, 3, 0], [0, 3, 3, 2, 2, 0], [0.1, 0.9, 0.9, 0.9, 0.2, 0.9]))
    assert found == [3, 4, 2, 1, 5]


def test_misread_hands_are_shown_with_label_and_call(runs: list[Shown], tmp_path: Path) -> None:
    crops = stacked(rows())
    save_crops(crops, tmp_path / "real.npz")
    count, pictures = misread(tmp_path, runs[0], 3)
    assert count == len(worst_first(runs[0].held_out)) > 3
    assert len(pictures) == 3
    page = report(runs, [], misread=[(count, pictures), (0, [])])
    assert page.count('src="data:image/png;base64,') == 3
    assert f"label {pictures[0].truth}, called {pictures[0].called}" in page
    assert misread(tmp_path / "elsewhere", runs[0], 3) == (count, [])


def test_a_run_that_was_not_evaluated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"expected predictions\.npz in .*training evaluate"):
        read_shown([tmp_path])


def test_two_runs_of_one_architecture_have_names_of_their_own(tmp_path: Path) -> None:
    shown = read_shown([write_run(tmp_path / "a"), write_run(tmp_path / "b")])
    assert [one.name for one in shown] == ["GoogLeNet, a", "GoogLeNet, b"]


def test_predictive_values_stand_at_several_prevalences(text: str, runs: list[Shown]) -> None:
    """Those of the held-out hands themselves would hold for their own share of disease only."""
    (head,) = [row for row in Page(text).rows if any("LR+" in cell for cell in row)]
    assert [cell.strip() for cell in head[1:4]] == ["LR+", "LR-", "PPV, 1 % ill"]
    at = next(k for k, row in enumerate(Page(text).rows) if row == head)
    found = runs[0].result.held_out.recognition
    values = predictive_values(found["sensitivity"], found["specificity"], 0.01)
    assert f"{100 * values[0][0]:.1f}" in Page(text).rows[at + 1][3]
