"""The command of the measurements runs, says what it found, and sees what a change did."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from tests.benchmarks.__main__ import PARTS, main, measure_of
from tests.benchmarks.receiving import rows
from tests.benchmarks.table import Row, Verdict, lines, save, saved
from tests.conftest import find_tool

PEERS = ("dcmsend", "storescp", "Orthanc")


def test_the_command_measures_and_compares(tmp_path, capsys):
    """The shortest real run: a listener, two peers and a disk, one image each."""
    for program in PEERS:
        find_tool(program)
    kept = tmp_path / "before.json"
    before = main(["receive", "--taste", "--save", str(kept)])
    assert [row.name for row in before] == list(saved(kept))
    assert all(row.ratio is not None and row.ratio > 0 for row in before)
    text = capsys.readouterr().out
    assert re.search(r"durable receive, beside storescp +\d+\.\d/s", text)


def test_every_part_is_there_and_its_options_are_read(capsys):
    """Whatever is renamed here must be renamed in the command too; the parts load torch, so only one is."""
    assert all(find_spec(f"tests.benchmarks.{module}") for module in PARTS.values())
    assert callable(measure_of("receive"))
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(part in said for part in PARTS)


@pytest.mark.parametrize(
    ("ratio", "at_least", "verdict"),
    [
        (3.0, True, Verdict.MET),
        (2.9, True, Verdict.SHORT),
        (0.9, False, Verdict.MET),
        (1.1, False, Verdict.SHORT),
    ],
)
def test_a_row_says_whether_it_reaches_its_target(ratio, at_least, verdict):
    assert Row("receive", "", "", ratio, 3.0 if at_least else 1.0, at_least=at_least).verdict is verdict


def test_a_row_without_a_target_only_tells():
    assert Row("claim", "3 ms", "2 ms", 1.5).verdict is Verdict.TOLD


def test_a_change_is_shown_beside_the_earlier_run(tmp_path):
    save([Row("receive", "20/s", "10/s", 2.0, 3.0)], tmp_path / "before.json")
    _, line = lines([Row("receive", "30/s", "10/s", 3.0, 3.0)], saved(tmp_path / "before.json"))
    assert line.split() == ["receive", "30/s", "10/s", "3.00", ">=", "3", "met", "2.00", "(+50%)"]


def test_a_saved_table_has_a_line_a_row_so_that_a_change_can_be_read(tmp_path):
    rows = [Row("receive", "20/s", "10/s", 2.000012345, 3.0), Row("claim", "3 ms")]
    save(rows, tmp_path / "kept.json")
    text = (tmp_path / "kept.json").read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(rows) + 2
    assert '"ratio": 2.0,' in text
    assert saved(tmp_path / "kept.json")["claim"] == rows[1]


def test_receivers_are_compared_by_their_medians():
    """One slow round, on either side, decides nothing."""
    rates = {
        "node": [60.0, 58.0, 5.0],
        "storescp": [20.0, 19.0, 90.0],
        "Orthanc": [10.0],
        "together": [90.0],
        "storescp with TCP_NODELAY": [40.0],
        "Orthanc with TCP_NODELAY": [14.5],
        "node, sender too": [60.0],
        "storescp, sender too": [80.0],
        "disk": [100.0],
    }
    ratios = {row.name: round(row.ratio, 2) for row in rows(rates)}
    assert list(ratios.values()) == [2.9, 5.8, 1.45, 4.0, 0.75, 1.55, 0.58, 0.9]
