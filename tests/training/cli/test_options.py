"""Training finds hands with the detector of the bundle in use, unless another one is named."""

from __future__ import annotations

from pathlib import Path

from ra_node.bootstrap.node_context import build_shelf, open_state
from ra_node.ledger.promotions import Choice, promote
from ra_node.settings.node import load_settings
from tests.finders import DEMO
from tests.inference.bundle_builders import write_papers
from training.cli.options import bundle_folder


def test_the_bundle_is_the_named_one_or_that_in_use(tmp_path: Path, monkeypatch) -> None:
    """In use is what the node's ledger says, then its configuration, then what came along."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RA_NODE_CONFIG", raising=False)
    assert bundle_folder(None).samefile(DEMO)
    configured = write_papers(tmp_path / "configured", version="2")
    config = tmp_path / "node.toml"
    config.write_text(f'[node]\ndata_dir = "state"\n[models]\nbundle = "{configured}"\ndevice = "cpu"\n')
    monkeypatch.setenv("RA_NODE_CONFIG", str(config))
    assert bundle_folder(None).samefile(configured)
    settings = load_settings(config)
    shelf = build_shelf(settings, open_state(settings))
    promoted = shelf.store.install(write_papers(tmp_path / "promoted", version="3"))
    promote(shelf.ledger, Choice(promoted.identity.sha256, "paper", "3"), "somebody", None)
    assert bundle_folder(None) == promoted.folder
    assert bundle_folder(DEMO) == DEMO
