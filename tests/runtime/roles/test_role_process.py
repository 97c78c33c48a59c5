"""A role serves all of its loops, or ends so that it is started again."""

import threading

import pytest

from ra_node.runtime.roles.role_process import serve_all
from tests.conftest import wait_until


def test_a_line_that_breaks_ends_the_role_and_its_other_lines():
    """A destination without its thread would wait for ever while the role looks alive."""
    stop = threading.Event()
    ended = []

    def good():
        stop.wait(120)
        ended.append("good")

    def bad():
        raise ValueError("Smith^John")

    with pytest.raises(SystemExit) as ending:
        serve_all({"good": good, "bad": bad}, stop)
    assert ending.value.code == 1
    assert ended == ["good"]


def test_a_stop_ends_all_lines_in_good_order():
    stop = threading.Event()
    role = threading.Thread(target=serve_all, args=({name: lambda: stop.wait(120) for name in "ab"}, stop))
    role.start()
    wait_until(lambda: threading.active_count() >= 3, "the loops to run")
    stop.set()
    role.join(120)
    assert not role.is_alive()


def test_a_role_without_lines_waits_for_its_stop():
    stop = threading.Event()
    role = threading.Thread(target=serve_all, args=({}, stop))
    role.start()
    assert role.is_alive()
    stop.set()
    role.join(120)
    assert not role.is_alive()
