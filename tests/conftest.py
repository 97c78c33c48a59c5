"""What every test may need: real peers or a reason, and the folder of real radiographs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def required() -> bool:
    """True where an absent peer is a failure, as in CI."""
    return os.environ.get("RA_NODE_REQUIRE_PEERS") == "1"


def absent(reason: str) -> None:
    """Skip the running test with its reason, or fail it where peers are required."""
    if required():
        pytest.fail(f"RA_NODE_REQUIRE_PEERS=1 but {reason}")
    pytest.skip(reason)


@pytest.fixture
def require_tool() -> Callable[[str], str]:
    """Return a function that gives the path of a program, or skips (fails in CI) without it."""

    def find(name: str) -> str:
        beside_python = Path(os.sys.executable).parent / name  # type: ignore[attr-defined]
        path = shutil.which(name) or (str(beside_python) if beside_python.exists() else None)
        if path is None:
            absent(f"the program {name} is not installed")
        assert path is not None
        return path

    return find


@pytest.fixture(scope="session")
def radiographs() -> Path:
    """The folder of real radiographs for development, or a skip with its reason."""
    named = os.environ.get("RA_NODE_RADIOGRAPHS")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "radiographs"
    if not (folder / "hands.csv").exists():
        pytest.skip(f"no radiographs at {folder}; set RA_NODE_RADIOGRAPHS to their folder")
    return folder
