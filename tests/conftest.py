"""What every test may need: real peers or a reason, and the folder of real radiographs."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog

hypothesis.settings.load_profile("ci")
"""The same examples at every run and no time limit for one of them, also where nobody set CI: another machine
is busier. `--hypothesis-profile default` looks for new ones."""

REPOSITORY = Path(__file__).resolve().parent.parent

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Hundreds of Python processes start in a run. Where uv left no compiled modules and the environment forbids
to write them, each compiles PyTorch anew: `import torchvision` takes 8.9 s of CPU instead of 3.4 s."""

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
"""One thread for what a test and its processes compute, read when torch and cv2 are loaded: the cores are
taken by the processes of a parallel run, and threads that wait for each other spin (tests/cli/test_bundle.py
took 93 s of CPU on a busy machine, now 17 s)."""

SHARED = ("node", "torture")
"""Folders whose tests share one PACS and one node, or one fork server."""


def required() -> bool:
    """True where an absent peer is a failure, as in CI."""
    return os.environ.get("RA_NODE_REQUIRE_PEERS") == "1"


def absent(reason: str) -> None:
    """Skip the running test with its reason, or fail it where peers are required."""
    if required():
        pytest.fail(f"RA_NODE_REQUIRE_PEERS=1 but {reason}")
    pytest.skip(reason)


def wait_until(holds: Callable[[], Any], what: str, timeout_s: float = 120.0) -> Any:
    """Wait for a condition with a deadline, and say what never came."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain for {what}")
        time.sleep(0.02)


def find_tool(name: str) -> str:
    """The path of a program, or a skip with its reason (a failure where peers are required)."""
    beside_python = Path(sys.executable).parent / name
    path = shutil.which(name) or (str(beside_python) if beside_python.exists() else None)
    if path is None:
        absent(f"the program {name} is not installed")
    assert path is not None
    return path


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of a module in one process, so that its fixtures are made once; long groups begin first.

    The tests of one PACS and one node, and those of one fork server, are such a group each.
    """
    groups = {item: _group_of(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    slow = {groups[item] for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (groups[item] not in SHARED, groups[item] not in slow))


def _group_of(item: pytest.Item) -> str:
    folder = item.path.relative_to(REPOSITORY / "tests").parts[0]
    return folder if folder in SHARED else item.nodeid.partition("::")[0]


@pytest.fixture(autouse=True)
def logging_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that runs within a test configures no log for later tests, and finds none in its output."""

    def configure(_role: str, *, level: int = logging.INFO, json: bool | None = None) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.__stderr__))
    for module in ("cli.app", "runtime.roles.role_process", "runtime.roles.supervised_node"):
        monkeypatch.setattr(f"ra_node.{module}.configure_logging", configure)
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def made_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose tables are made once; a test copies it, and saves 38 ms of migrations."""
    from ra_node.ledger.database.engine import open_ledger

    path = tmp_path_factory.mktemp("made") / "ledger.sqlite"
    open_ledger(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def require_tool() -> Callable[[str], str]:
    """`find_tool` as a fixture."""
    return find_tool


@pytest.fixture(scope="session")
def radiographs() -> Path:
    """The folder of real radiographs for development, or a skip with its reason."""
    named = os.environ.get("RA_NODE_RADIOGRAPHS")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "radiographs"
    if not (folder / "hands.csv").exists():
        pytest.skip(f"no radiographs at {folder}; set RA_NODE_RADIOGRAPHS to their folder")
    return folder
