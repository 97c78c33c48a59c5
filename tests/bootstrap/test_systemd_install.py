"""`ra-node init --systemd` makes everything that the units need, and again after an upgrade."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ra_node.bootstrap import systemd_install
from ra_node.bootstrap.systemd_install import install_services
from ra_node.errors import Fatal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may install services")


@pytest.fixture(autouse=True)
def system_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a developer may be in a home folder."""
    monkeypatch.setattr(systemd_install.sys, "base_prefix", "/usr")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty machine: on Debian 12 not even /etc/sysusers.d is there."""
    install_services(tmp_path, lambda _argv: None)
    return tmp_path


def test_units_run_this_installation_and_their_documentation_exists(root: Path):
    units = sorted((root / "etc/systemd/system").glob("ra-node*"))
    assert len(units) == 6
    for unit in units:
        text = unit.read_text(encoding="utf-8")
        assert "/opt/ra-node" not in text or sys.prefix.startswith("/opt/ra-node")
        for page in re.findall(r"file://(\S+)", text):
            assert (root / page.lstrip("/")).is_file(), page
    assert (root / "etc/sysusers.d/ra-node.conf").is_file()
    assert (root / "etc/tmpfiles.d/ra-node.conf").is_file()


def test_everybody_may_read_what_is_installed_under_the_umask_of_the_command(tmp_path: Path):
    before = os.umask(0o077)
    try:
        written = install_services(tmp_path, lambda _argv: None)
    finally:
        os.umask(before)
    folders = {one for path in written for one in path.parents if tmp_path in one.parents}
    for path in (*written, *folders):
        assert path.stat().st_mode & 0o044 == 0o044, path


def test_the_command_is_shell_and_installing_twice_changes_nothing(root: Path):
    command = root / "usr/local/bin/ra-node"
    subprocess.run(["sh", "-n", str(command)], check=True)
    assert command.stat().st_mode & 0o777 == 0o755
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    install_services(root, lambda _argv: None)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_account_and_folders_are_asked_of_systemd(tmp_path: Path):
    asked: list[list[str]] = []
    install_services(tmp_path, lambda argv: asked.append(list(argv)))
    assert [argv[0] for argv in asked] == ["systemd-sysusers", "systemd-tmpfiles"]


def test_without_root_the_sentence_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(systemd_install.os, "geteuid", lambda: 1000)
    with pytest.raises(Fatal, match=r"sudo .*init --systemd"):
        install_services(tmp_path, lambda _argv: None)


@pytest.mark.parametrize("home", ["/root/.pyenv/versions/3.11.7", "/home/alice/python"])
def test_a_python_that_the_services_cannot_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
):
    """Under a running systemd all roles failed with 203/EXEC: ProtectHome= hid the interpreter."""
    monkeypatch.setattr(systemd_install.sys, "base_prefix", home)
    with pytest.raises(Fatal, match="/usr/bin/python3 -m venv /opt/ra-node"):
        install_services(tmp_path, lambda _argv: None)
    assert list(tmp_path.iterdir()) == []
