"""A marker reader goes into a bundle with its figures, and from one bundle into another."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter
from safetensors.torch import save_file

from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.bundles.manifest import Interval
from ra_node.inference.marker_reader.network import MarkerLetters
from ra_node.inference.marker_reader.reader import load_marker_reader
from tests.inference.bundle_builders import write_papers
from training.marker_reader.export import FIGURES, WEIGHTS, add_marker_reader, carry_marker_reader


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    save_file(MarkerLetters().state_dict(), folder / WEIGHTS)
    figures = {"children, letter known: right": (0.9, 0.8, 0.95)}
    (folder / FIGURES).write_bytes(TypeAdapter(dict[str, Interval]).dump_json(figures))
    return folder


def test_a_bundle_gets_reader_hash_figures_and_a_part_of_the_card(tmp_path: Path, run: Path) -> None:
    bundle = write_papers(tmp_path / "bundle")
    before = load_bundle(bundle).identity.sha256
    assert load_marker_reader(load_bundle(bundle)) is None
    assert add_marker_reader(run, bundle) != before
    found = load_bundle(bundle)
    assert load_marker_reader(found) is not None
    card = (bundle / "card.md").read_text()
    assert "| children, letter known: right | 90.0 % | 80.0 to 95.0 % |" in card
    add_marker_reader(run, bundle)
    assert (bundle / "card.md").read_text() == card
    (bundle / found.manifest.weights[-1][0]).write_bytes(b"changed")
    with pytest.raises(Fatal, match="sha256"):
        load_bundle(bundle)


def test_an_exported_bundle_takes_the_reader_along(tmp_path: Path, run: Path) -> None:
    first, second = write_papers(tmp_path / "first"), write_papers(tmp_path / "second")
    assert not carry_marker_reader(first, second)
    add_marker_reader(run, first)
    assert carry_marker_reader(first, second)
    assert load_bundle(second).manifest.marker_reader == load_bundle(first).manifest.marker_reader
    assert load_marker_reader(load_bundle(second)) is not None


def test_a_run_without_figures_is_refused(tmp_path: Path, run: Path) -> None:
    (run / FIGURES).unlink()
    with pytest.raises(Fatal, match=r"found no figures\.json"):
        add_marker_reader(run, write_papers(tmp_path / "bundle"))
