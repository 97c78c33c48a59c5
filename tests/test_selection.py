"""`--quick` leaves out what is slow and unchanged, and no module becomes slow unnoticed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from xdist.remote import Producer

from ra_node.bootstrap.archive_run import _step_back
from tests import conftest
from tests.conftest import REPOSITORY, SLOW

CHANGED = """\
 M ra_node/dicom/sr/document.py
?? tests/web/test_new.py
 M training/io/atomic_file.py
 M README.md
"""


def items(*modules: str) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(nodeid=f"tests/{module}::test_it", add_marker=lambda _mark: None)
        for module in modules
    ]


@pytest.fixture(autouse=True)
def nothing_is_known() -> Iterator[None]:
    """What differs from the last commit is asked anew."""
    conftest._touched.cache_clear()
    yield
    conftest._touched.cache_clear()


def selected(monkeypatch: pytest.MonkeyPatch, *modules: str, quick: bool, changed: str = "") -> list[str]:
    """The modules that are imported, in the order of their tests."""
    said = subprocess.CompletedProcess([], 0, changed)
    monkeypatch.setattr(conftest.subprocess, "run", lambda *_words, **_named: said)
    monkeypatch.setattr(conftest, "SLOW", {"web/test_new.py": 4, "web/test_rules.py": 9})
    config = SimpleNamespace(getoption=lambda _name: quick)
    paths = {module: REPOSITORY / "tests" / module for module in modules}
    given = items(*(one for one in modules if not conftest.pytest_ignore_collect(paths[one], config)))
    conftest.pytest_collection_modifyitems(given)
    return [item.nodeid.removeprefix("tests/").removesuffix("::test_it") for item in given]


MODULES = ("domain/test_job.py", "web/test_new.py", "web/test_rules.py", "node/test_worker_processes.py")


def test_quick_leaves_out_slow_modules_and_whole_nodes(monkeypatch):
    assert selected(monkeypatch, *MODULES, quick=True) == ["domain/test_job.py"]


def test_quick_runs_a_slow_module_that_has_changed(monkeypatch):
    assert selected(monkeypatch, *MODULES, quick=True, changed=CHANGED) == [
        "web/test_new.py",
        "domain/test_job.py",
    ]


def test_the_whole_suite_begins_with_what_takes_longest(monkeypatch):
    assert selected(monkeypatch, *MODULES, quick=False) == [
        "node/test_worker_processes.py",
        "web/test_rules.py",
        "web/test_new.py",
        "domain/test_job.py",
    ]


def test_quick_has_a_process_for_each_core_and_the_whole_suite_one_more(monkeypatch):
    """Where much is waited for, one more uses the cores; each costs the import of everything."""
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.setattr(conftest.os, "cpu_count", lambda: 4)
    counts = [
        conftest.pytest_xdist_auto_num_workers(SimpleNamespace(getoption=lambda _name, quick=quick: quick))
        for quick in (True, False)
    ]
    assert counts == [4, 5]


def test_a_command_within_a_test_keeps_the_priority_of_its_process():
    """`analyse` lowers its own; what ran after it in the same process would starve on a busy machine."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    _step_back()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_the_tests_of_a_changed_module_are_found_by_its_name(monkeypatch):
    said = subprocess.CompletedProcess([], 0, CHANGED)
    monkeypatch.setattr(conftest.subprocess, "run", lambda *_words, **_named: said)
    assert conftest._touched() == {
        "dicom/sr/test_document.py",
        "web/test_new.py",
        "training/io/test_atomic_file.py",
    }


def test_a_module_and_a_folder_that_shares_a_node_stay_in_one_process():
    """As xdist deals them out: two of three groups, and one test of the next, to two processes."""
    given = [
        f"tests/{name}" for name in ("node/test_a.py::x", "node/test_b.py::x", "web/test_a.py::x[a@b::c]")
    ]
    config = SimpleNamespace(
        getoption=lambda _name: "loadgroup", option=SimpleNamespace(tx=["popen", "popen"])
    )
    config.getvalue = lambda _name: ["popen", "popen"]
    dealt = conftest.pytest_xdist_make_scheduler(config, Producer("test", enabled=False))
    assert [dealt._split_scope(one) for one in given] == ["node", "node", "web/test_a.py"]


@pytest.mark.parametrize(("module", "fails"), [("domain/test_job.py", True), ("web/test_rules.py", False)])
def test_a_module_that_became_slow_must_be_listed(monkeypatch, module, fails):
    monkeypatch.setattr(conftest, "SLOW", {"web/test_rules.py": 9})
    monkeypatch.setitem(conftest._spent, module, conftest.UNLISTED_S + 1)
    (item,) = items(module)
    item.config = SimpleNamespace(getoption=lambda _name: [])  # no folder is named: the whole suite
    running = conftest.pytest_runtest_teardown(item)
    next(running)
    if fails:
        with pytest.raises(pytest.fail.Exception, match=f"{module} took"):
            next(running)
    else:
        with pytest.raises(StopIteration):
            next(running)


def test_every_listed_module_is_there():
    assert [name for name in SLOW if not (REPOSITORY / "tests" / name).exists()] == []
