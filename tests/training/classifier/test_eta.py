"""The time left counts every training that is still to come."""

from __future__ import annotations

import pytest

from training.classifier.eta import WORK, Job, TimeLeft, spoken
from training.classifier.loop import Progress

JOBS = [Job("alexnet", "staging", 10), Job("alexnet", "recognition", 10), Job("vgg16", "staging", 2)]


def test_the_pace_of_one_task_holds_for_the_next_and_scales_to_other_networks() -> None:
    pace = TimeLeft(JOBS)
    half = Progress("staging", 5, 10, 1.0, seconds_left=50)
    pace.learn(JOBS[0], half)
    assert pace.seconds_left(JOBS[0], half) == pytest.approx(50 + 10 * 10 + 2 * 10 * WORK["vgg16"])


def test_a_network_that_has_shown_its_pace_is_not_guessed() -> None:
    pace = TimeLeft([*JOBS, Job("vgg16", "recognition", 2)])
    pace.learn(JOBS[0], Progress("staging", 5, 10, 1.0, seconds_left=50))
    third = Progress("staging", 1, 2, 1.0, seconds_left=30)
    pace.learn(JOBS[2], third)
    assert pace.seconds_left(JOBS[2], third) == pytest.approx(30 + 2 * 30)


def test_the_last_line_of_a_task_teaches_nothing() -> None:
    pace = TimeLeft(JOBS)
    done = Progress("staging", 10, 10, 1.0, seconds_left=0)
    pace.learn(JOBS[0], done)
    assert pace.seconds_left(JOBS[2], done) == 0


@pytest.mark.parametrize(
    ("seconds", "said"), [(40, "40 s"), (300, "5 min"), (5400, "1 h 30 min"), (12000, "3 h 20 min")]
)
def test_time_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
