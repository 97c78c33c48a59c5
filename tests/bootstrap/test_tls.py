"""A node of a configuration with [tls] listens and calls with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_node.bootstrap.listener import build_listener
from ra_node.bootstrap.node_context import address, open_state
from ra_node.errors import Fatal
from ra_node.ledger.event_query import trail
from ra_node.network.scu.c_store import Reach, echo
from ra_node.settings.node import Settings, load_settings
from tests.conftest import wait_until
from tests.network.authority import Authority


def configured(
    folder: Path, hospital: Authority, name: str, *, ae_title: str, port: int, peer: str
) -> Settings:
    """The settings of one side: itself, its certificate, and its one peer."""
    files = hospital.issue(name)
    path = folder / f"{name}.toml"
    path.write_text(
        f'[node]\nae_title = "{ae_title}"\nport = 0\ndata_dir = "{name}"\n'
        f'[tls]\ncert = "{files.certificate}"\nkey = "{files.key}"\nca = "{files.authority}"\n'
        f'[[peer]]\nname = "peer"\nae_title = "{peer}"\nport = {port or 104}\ntls = true\n',
        encoding="utf-8",
    )
    return load_settings(path)


def test_two_nodes_that_know_each_other_talk_by_tls(tmp_path: Path):
    """Listener, address and allow-list come from the configuration; one of another site is refused."""
    hospital = Authority(tmp_path / "hospital")
    node = configured(tmp_path, hospital, "node", ae_title="RA_NODE", port=0, peer="PACS")
    state = open_state(node)
    listener, _ = build_listener(node, state, "listen-1")
    listener.start()
    try:
        pacs = configured(tmp_path, hospital, "pacs", ae_title="PACS", port=listener.port, peer="RA_NODE")
        assert echo(address(pacs, pacs.peer[0])).alive
        elsewhere = Authority(tmp_path / "elsewhere", "Elsewhere")
        thief = configured(tmp_path, elsewhere, "thief", ae_title="PACS", port=listener.port, peer="RA_NODE")
        assert echo(address(thief, thief.peer[0])).reach is Reach.UNTRUSTED
        (refusal,) = wait_until(lambda: list(trail(state.ledger)), "the refusal in the trail")
        assert (refusal.event.what, refusal.address) == ("caller_refused", "127.0.0.1")
        assert "unknown ca" in refusal.event.detail["reason"]
    finally:
        listener.stop(0.0)
        state.ledger.close()


def test_a_file_that_will_not_do_stops_the_role(tmp_path: Path):
    """A node that was told to use TLS never falls back to plain."""
    hospital = Authority(tmp_path / "hospital")
    settings = configured(tmp_path, hospital, "node", ae_title="RA_NODE", port=0, peer="PACS")
    assert settings.tls.key is not None
    settings.tls.key.chmod(0o604)
    state = open_state(settings)
    try:
        with pytest.raises(Fatal, match="chmod 600"):
            build_listener(settings, state, "listen-1")
        with pytest.raises(Fatal, match="chmod 600"):
            address(settings, settings.peer[0])
    finally:
        state.ledger.close()
