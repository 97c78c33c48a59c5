"""What pip installs is whole: configuration, demonstration bundle and units come along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.node.harness import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]

pytestmark = pytest.mark.skipif(
    "force-include" not in WHEEL, reason="pyproject.toml puts no data into wheels yet"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel, as pip lays them down."""
    built, laid = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("laid")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(argv, cwd=REPOSITORY, check=True, capture_output=True, timeout=240)
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(laid)
    return laid


def ra_node(unpacked: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder that has nothing to do with the repository."""
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r}); from ra_node.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_recipes_come_along(unpacked: Path):
    """`python -m training train --config site` finds the recipe and the weights that it starts from."""
    shipped = unpacked / "ra_node" / "shipped" / "config"
    assert (shipped / "training" / "site.toml").is_file()
    assert (shipped / "bundles" / "demo" / "staging" / "weights.safetensors").is_file()


def test_an_installed_node_writes_its_configuration_and_finds_its_bundle(unpacked: Path, tmp_path: Path):
    """`ra-node init` and `check` as on an empty machine: folders, ledger and bundle are in order."""
    done = ra_node(unpacked, tmp_path, "init", str(tmp_path / "etc"), "--data", str(tmp_path / "var"))
    assert done.returncode == 0, done.stderr
    assert str(unpacked / "ra_node" / "shipped" / "systemd") in done.stdout
    config = str(tmp_path / "etc" / "node.toml")
    rows = {
        row["name"]: row
        for row in json.loads(ra_node(unpacked, tmp_path, "check", "--config", config, "--json").stdout)
    }
    for name in ("data folder", "ledger", "model bundle"):
        assert rows[name]["ok"], rows[name]
    assert (tmp_path / "var" / "ledger.sqlite3").exists()
    again = ra_node(unpacked, tmp_path, "init", str(tmp_path / "etc"))
    assert again.returncode == 3
    assert "File exists" in again.stderr


def test_units_and_configuration_in_the_wheel_are_those_of_the_repository(unpacked: Path):
    shipped = unpacked / "ra_node" / "shipped"
    for folder in ("config/bundles/demo", "config/monitoring", "systemd"):
        here = {
            path.relative_to(REPOSITORY): path.read_bytes()
            for path in (REPOSITORY / folder).rglob("*")
            if path.is_file()
        }
        there = {
            path.relative_to(shipped): path.read_bytes()
            for path in (shipped / folder).rglob("*")
            if path.is_file()
        }
        assert here == there
    assert (shipped / "config" / "node.toml").read_bytes() == (
        REPOSITORY / "config" / "node.toml"
    ).read_bytes()


def test_the_wheel_carries_everything_that_is_asked_for():
    """The lines of pyproject.toml that the other tests stand on."""
    assert WHEEL["force-include"] == {
        "config/node.toml": "ra_node/shipped/config/node.toml",
        "config/bundles/demo": "ra_node/shipped/config/bundles/demo",
        "config/monitoring": "ra_node/shipped/config/monitoring",
        "config/training": "ra_node/shipped/config/training",
        "systemd": "ra_node/shipped/systemd",
    }
