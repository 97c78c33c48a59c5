"""Estimates the remaining time of several trainings from the pace of those so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from training.classifier.loop import Progress

WORK = {"alexnet": 1.0, "googlenet": 2.6, "efficientnet_b2": 4.5, "resnet50": 6.0, "vgg16": 17.0}
"""Relative time of an epoch, AlexNet = 1: initial estimate, until a network has been measured."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training: a network, a task and its epochs."""

    architecture: str
    task: str
    epochs: float


@dataclass(slots=True)
class TimeLeft:
    """The current job and the remaining time of all."""

    jobs: Sequence[Job]
    epoch_s: dict[str, float] = field(default_factory=dict)
    """Seconds of an epoch, by architecture, as measured."""

    def learn(self, job: Job, progress: Progress) -> None:
        """Update the pace of the current job."""
        share_left = 1 - progress.step / progress.steps
        if share_left > 0:
            self.epoch_s[job.architecture] = progress.seconds_left / (share_left * job.epochs)

    def seconds_left(self, job: Job, progress: Progress) -> float:
        """Remaining seconds of the current and all following jobs; training only."""
        later = self.jobs[self.jobs.index(job) + 1 :]
        return progress.seconds_left + sum(one.epochs * self._epoch_s(one.architecture) for one in later)

    def _epoch_s(self, architecture: str) -> float:
        known = [seconds / WORK[name] for name, seconds in self.epoch_s.items()]
        guess = WORK[architecture] * sum(known) / len(known) if known else 0.0
        return self.epoch_s.get(architecture, guess)


def spoken(seconds: float) -> str:
    """Remaining time as text: "3 h 20 min", "12 min", "40 s"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
