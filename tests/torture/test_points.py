"""The points at which roles are killed exist, and lie where they say."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.torture.points import DELIVER, LISTEN, POINTS, SCHEDULE, WORK, Point, resolve, wrapped


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.role}: {point.words}")
def test_the_product_still_has_the_function_of_every_point(point: Point):
    """A renamed function would otherwise turn its kills into waits."""
    assert callable(resolve(point.target)[2])


@pytest.mark.parametrize("points", [LISTEN, WORK, DELIVER, SCHEDULE], ids=lambda points: points[0].role)
def test_the_points_of_a_role_have_names_of_their_own(points):
    assert len({point.words for point in points}) == len(points)


def test_a_point_is_passed_on_its_nth_time_and_then_each_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.torture.test_points.somewhere", somewhere)
    passed: list[int] = []
    wrapped(Point("listen", "here", "tests.torture.test_points:somewhere"), lambda: passed.append(1), nth=2)
    for _ in range(3):
        globals()["somewhere"]()
    assert len(passed) == 2


def somewhere() -> None:
    """A place to pass."""


def test_a_role_dies_by_sigkill_at_its_point(tmp_path):
    """As a program: the first transaction of a scheduler is its last."""
    config = tmp_path / "node.toml"
    config.write_text('[node]\ndata_dir = "state"\n')
    role = [sys.executable, "-m", "tests.torture.role", "schedule"]
    done = subprocess.run(
        [*role, "--config", str(config), "--point", "transaction written, not committed"],
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
