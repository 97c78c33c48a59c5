"""The listener as it is built for its role."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from ra_node.bootstrap.listener import build_listener, listen_settings
from ra_node.bootstrap.node_context import open_state
from ra_node.settings.node import load_settings, settings_from


def test_a_title_that_reports_for_a_peer_may_call_and_not_store(tmp_path: Path):
    peer = """[[peer]]
name = "archive"
ae_title = "ARCHIVE"
roles = ["destination"]
commitment = true
commitment_ae_titles = ["SCM"]
"""
    (tmp_path / "node.toml").write_text(f'[node]\ndata_dir = "{tmp_path}"\n{peer}', encoding="utf-8")
    allowed = listen_settings(load_settings(tmp_path / "node.toml")).peers
    assert [(one.ae_title, one.may_store) for one in allowed] == [("ARCHIVE", False), ("SCM", False)]


@pytest.fixture
def collected_again():
    """Leave the collector as it was found."""
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("collected_again")
def test_the_modules_of_a_listener_are_collected_only_once(tmp_path: Path):
    """The library makes a full collection every few seconds, and everybody waits for it."""
    (tmp_path / "node.toml").write_text(f'[node]\ndata_dir = "{tmp_path}"\n', encoding="utf-8")
    settings = load_settings(tmp_path / "node.toml")
    state = open_state(settings)
    try:
        build_listener(settings, state, "listen-1")
        assert gc.get_freeze_count() > 50_000
        assert len(gc.get_objects()) < 10_000
    finally:
        state.ledger.close()


def test_every_peer_may_echo_and_only_sources_may_store(tmp_path: Path):
    """A PACS that tests its new destination by C-ECHO was rejected; a monitor needed the role source."""
    roles = {"CR": ["source"], "ARC": ["destination"], "MON": ["echo"], "PACS": ["source", "destination"]}
    peers = [{"name": title, "ae_title": title, "roles": held} for title, held in roles.items()]
    settings = settings_from({"node": {"data_dir": str(tmp_path)}, "peer": peers}, base=tmp_path)
    allowed = {one.ae_title: one.may_store for one in listen_settings(settings).peers}
    assert allowed == {"CR": True, "ARC": False, "MON": False, "PACS": True}
