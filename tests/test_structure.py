"""Rules of the house that a program can check: folder sizes, class names, private names."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.node.harness import REPOSITORY

TOP_LEVEL = {
    *("ra_node", "training", "config", "tests", "systemd"),
    *("pyproject.toml", "README.md", "Makefile", "LICENSE", "CHANGELOG.md"),
}
ROOTS = ("ra_node", "training")
MOST_MODULES = 20
PRIVATE = re.compile(
    r"\b(?:association|assoc|dul|message|request|event|ae|server)\._[a-z]\w*"
    r"|from pynetdicom[\w.]* import [^\n]*\b_\w+"
)


def modules(root: str) -> list[Path]:
    return sorted((REPOSITORY / root).rglob("*.py"))


def test_the_top_level_has_the_agreed_entries_only():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a checkout")
    tracked = subprocess.check_output(("git", "ls-files"), cwd=REPOSITORY, text=True)
    top = {line.partition("/")[0] for line in tracked.splitlines()}
    loose = {name for name in top if not name.startswith(".") and not name.endswith(".lock")}
    assert loose == TOP_LEVEL


@pytest.mark.parametrize("root", ROOTS)
def test_no_folder_is_a_flat_drawer(root):
    sizes = Counter(path.parent for path in modules(root) if path.name != "__init__.py")
    full = {str(folder.relative_to(REPOSITORY)): n for folder, n in sizes.items() if n > MOST_MODULES}
    assert not full


def test_only_the_entry_and_the_errors_lie_loose_in_the_package():
    assert {path.name for path in (REPOSITORY / "ra_node").glob("*.py")} == {
        "__init__.py",
        "__main__.py",
        "errors.py",
    }


@pytest.mark.parametrize("root", ROOTS)
def test_a_public_class_name_occurs_once(root):
    names = Counter(
        node.name
        for path in modules(root)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, count in names.items() if count > 1]


def test_private_names_of_pynetdicom_occur_in_one_folder():
    home = REPOSITORY / "ra_node" / "network" / "pynetdicom_ext"
    elsewhere = [
        str(path.relative_to(REPOSITORY))
        for path in modules("ra_node/network")
        if home not in path.parents and PRIVATE.search(path.read_text(encoding="utf-8"))
    ]
    assert not elsewhere


@pytest.mark.parametrize("root", ROOTS)
def test_every_module_is_in_a_contract(root):
    """The layers of each package are exhaustive: import-linter fails for a module that none of them names."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    whole = [one for one in contracts if one.get("containers") == [root] and one["type"] == "layers"]
    assert whole
    assert all(one["exhaustive"] for one in whole)


FSYNC = re.compile(r"\bf(?:data)?sync\s*\(|\bos\.f(?:data)?sync\b|import (?:[^\n]*\b)?f(?:data)?sync\b")


def test_one_module_calls_fsync():
    """The order write, fsync, rename, fsync of the folder is right once, and everywhere."""
    callers = [
        str(path.relative_to(REPOSITORY))
        for root in ROOTS
        for path in modules(root)
        if FSYNC.search(path.read_text(encoding="utf-8"))
    ]
    assert callers == ["ra_node/filesystem/durable_write.py"]
