"""The role as a process of its own: it comes up, answers, and goes in good order."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from ra_node.runtime.roles import supervised_node
from ra_node.runtime.roles.role_process import SUPERVISED
from ra_node.runtime.supervisor import Supervisor
from ra_node.settings.node import settings_from
from tests.conftest import wait_until
from tests.ports import free_port


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(f'[node]\ndata_dir = "state"\n[web]\nenabled = true\nport = {free_port()}\n')
    return path


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return None


def test_the_role_answers_until_it_is_told_to_stop(config):
    port = int(config.read_text().split("port = ")[1])
    with (config.parent / "log").open("wb") as log:
        argv = [sys.executable, "-m", "ra_node", "web", "--config", str(config)]
        role = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        wait_until(lambda: get(port, "/healthz"), "the page", 120)
        assert get(port, "/healthz") == (200, "ledger ok\n")
        status, text = get(port, "/readyz")
        assert status == 503
        assert "listen FAILED" in text
        wait_until(lambda: "ra_node_studies_settled_total" in get(port, "/metrics")[1], "the totals", 300)
        assert 'ra_node_role_lines{role="web"} 1.0' in get(port, "/metrics")[1]
    finally:
        role.send_signal(signal.SIGTERM)
        assert role.wait(300) == 0
    assert list((config.parent / "state" / "run").glob("*/*.lock")) == []


def test_a_taken_port_ends_the_role_so_that_it_is_started_again(config):
    port = int(config.read_text().split("port = ")[1])
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        argv = [sys.executable, "-m", "ra_node", "web", "--config", str(config)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 4
    assert "Address already in use" in done.stderr


@pytest.mark.parametrize(
    ("enabled", "started"), [(True, (*supervised_node.ROLES, "web")), (False, supervised_node.ROLES)]
)
def test_the_page_is_supervised_where_it_is_asked_for(tmp_path, monkeypatch, enabled, started):
    found = []
    monkeypatch.setattr(Supervisor, "run", lambda self: found.extend(self.children))
    monkeypatch.setattr(Supervisor, "stop_on_signals", lambda self: None)
    monkeypatch.setenv(SUPERVISED, "")  # so that it is gone after this test, whatever `supervise` sets
    monkeypatch.setattr(supervised_node, "configure_logging", lambda role: None)
    settings = settings_from({"node": {"data_dir": "state"}, "web": {"enabled": enabled}}, base=tmp_path)
    supervised_node.supervise(settings, tmp_path / "node.toml")
    monkeypatch.delenv(SUPERVISED, raising=False)
    assert tuple(found) == started
