"""The locks of an installation: the versions of the development lock, without its tools, all with hashes."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.node.harness import REPOSITORY

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALLED = ("config/locks/node.lock", "config/locks/training.lock")
TOOLS = (
    "pytest",
    "hypothesis",
    "ruff",
    "mypy",
    "uv",
    "import-linter",
    "playwright",
    "pip-audit",
    "hatchling",
)


def pins(name: str) -> dict[str, str]:
    return dict(PINNED.findall((REPOSITORY / name).read_text(encoding="utf-8")))


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", one)[0] for one in requirements}


@pytest.mark.parametrize("name", INSTALLED)
def test_an_installation_has_the_tested_versions_and_no_tools(name: str):
    found, tested = pins(name), pins("requirements.lock")
    assert found.items() <= tested.items()
    assert not set(TOOLS) & set(found)
    assert names_of(PROJECT["dependencies"]) <= set(found)


def test_a_node_has_neither_triton_nor_the_tools_of_training():
    """155 packages and 6.6 GB became 84 and 4.6 GB."""
    found = pins("config/locks/node.lock")
    training = names_of(PROJECT["optional-dependencies"]["training"])
    assert not {"triton", *training} & set(found)
    assert training <= set(pins("config/locks/training.lock"))
    assert len(found) < 100


@pytest.mark.parametrize("name", ["requirements.lock", *INSTALLED])
def test_every_package_has_a_hash_and_no_address_of_a_registry_is_in_a_lock(name: str):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert all("--hash=sha256:" in block for block in blocks if PINNED.match(block))
    assert "://" not in text
    assert "index-url" not in text
