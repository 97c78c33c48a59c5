"""What every test may need: real peers or a reason, and the folder of real radiographs."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
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

gc.disable()
"""Until all tests are collected: among 6,000 modules garbage collection takes 2.7 s of CPU a process."""

SHARED = ("node", "torture")
"""Folders whose tests share one PACS and one node, or one fork server; all of them are slow."""

SLOW = {
    line.split()[1]: int(line.split()[0])
    for line in (REPOSITORY / "tests" / "slow_modules.txt").read_text(encoding="ascii").splitlines()
}
"""Seconds of CPU of the modules that take more than three, with all processes that they start."""

UNLISTED_S = 300.0
"""What a module that is not among them may take in a whole run, on the busiest machine."""


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


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "leave out slow modules, but for those of files that differ from the last commit"
    parser.addoption("--quick", action="store_true", help=words)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many processes as cores; for the whole suite one more, as a node and a PACS are often waited for.

    Each takes 13 s of CPU to import everything.
    """
    named = "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ
    return None if named else (os.cpu_count() or 1) + (not config.getoption("--quick"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run the tests of a module in one process, which makes its fixtures once; and those of a shared folder.

    xdist's own groups have no effect: 3.8 writes them into an attribute that pytest 9.2 no longer reads.
    """
    if config.getoption("dist") not in ("loadgroup", "loadscope"):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = _module(nodeid)
            folder = module.partition("/")[0]
            return folder if folder in SHARED else module

    return ByModule(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what `--quick` does, before it is imported."""
    if not config.getoption("--quick") or collection_path.suffix != ".py":
        return None
    module = str(collection_path.relative_to(REPOSITORY / "tests"))
    return True if _is_slow(module) and module not in _touched() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: -_weight(_module(item.nodeid)))


def _module(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")


def _is_slow(module: str) -> bool:
    return module in SLOW or module.partition("/")[0] in SHARED


def _weight(module: str) -> float:
    return float("inf") if module.partition("/")[0] in SHARED else SLOW.get(module, 0)


@cache
def _touched() -> set[str]:
    """The test modules that differ from the last commit, and those of the modules of the product that do."""
    if shutil.which("git") is None:
        return set()
    git = ["git", "-C", str(REPOSITORY), "status", "--porcelain", "--untracked-files=all", "--no-renames"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    found = {Path(line[3:]) for line in done.stdout.splitlines()}
    own = {path.relative_to("tests") for path in found if path.is_relative_to("tests")}
    own |= {path.relative_to("ra_node") for path in found if path.is_relative_to("ra_node")}
    own |= {path for path in found if path.is_relative_to("training")}
    return {str(path.with_name(f"test_{path.name.removeprefix('test_')}")) for path in own}


_spent: dict[str, float] = defaultdict(float)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _counted(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _counted(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail where a module became slow and is not listed: `--quick` and the order of tests rely on that."""
    with _counted(item):
        yield
    module, whole = _module(item.nodeid), not item.config.getoption("file_or_dir")
    if whole and not _is_slow(module) and _spent[module] > UNLISTED_S:
        spent = _spent.pop(module)
        pytest.fail(
            f"{module} took {spent:.1f} s of CPU: list it in tests/slow_modules.txt, or make it faster"
        )


@contextmanager
def _counted(item: pytest.Item) -> Iterator[None]:
    before = _cpu_s()
    try:
        yield
    finally:
        _spent[_module(item.nodeid)] += _cpu_s() - before


def _cpu_s() -> float:
    """What this process and its children that have ended took."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


atexit.register(gc.unfreeze)
"""Let the libraries free what they hold, or nanobind complains. Not sooner: pytest collects garbage at its
end, which among all modules takes 1.2 s of CPU a process, and more after a run."""

LOGGING = ("cli.app", "runtime.roles.role_process", "runtime.roles.supervised_node")
"""Modules that configure the log of a process."""


_logging: list[ModuleType] = []


def pytest_collection_finish() -> None:
    """Load what every test needs, so that no module is charged for compiling it; none of it is garbage."""
    _logging[:] = [import_module(f"ra_node.{module}") for module in LOGGING]
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def logging_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that runs within a test configures no log for later tests, and finds none in its output."""

    def configure(_role: str, *, level: int = logging.INFO, json: bool | None = None) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.__stderr__))
    for module in _logging:
        monkeypatch.setattr(module, "configure_logging", configure)
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def priority_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs within a test lowers its priority; later tests and their nodes would keep that."""
    monkeypatch.setattr(os, "nice", lambda _step: 0)


@pytest.fixture(scope="module")
def networks_loaded_once() -> Iterator[None]:
    """Commands within a test load the networks of a bundle once; its files are checked each time."""
    from ra_node.inference import predictor

    load, networks = predictor.Predictor, {}

    def loaded(bundle: Any, *options: Any) -> Any:
        key = (bundle.identity.sha256, *options)
        if key not in networks:
            networks[key] = load(bundle, *options)
        return networks[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "Predictor", loaded)
        yield


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
