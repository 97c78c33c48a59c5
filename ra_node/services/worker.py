"""The worker: runs with one bundle, and loads a promoted one between two batches, never within one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.job import Job, JobKind
from ra_node.errors import NodeError
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.analysis.pixel_comparison import PixelComparison
from ra_node.services.reporting.answer import Answerer

RETRY_S = 30.0
"""Delay until a bundle that could not be loaded is tried again: the GPU may be full for now."""


@dataclass(frozen=True, slots=True)
class LoadedAnalysis:
    """Examination and reporting with the networks of one bundle."""

    bundle: BundleIdentity
    examiner: Examiner
    answerer: Answerer
    comparison: PixelComparison


Said = Callable[[BundleIdentity, str], None]
"""Called with the bundle in use, and the reason why a promoted one is not, or ""."""


class Worker:
    """Examines images and reports studies.

    `wanted` gives the hash of the promoted bundle, None for that of the configuration; `load` loads either,
    which takes seconds. A bundle that cannot be loaded at the start is an error of `load`; later the worker
    keeps the present one, and publishes the reason.
    """

    def __init__(
        self,
        wanted: Callable[[], str | None],
        load: Callable[[str | None], LoadedAnalysis],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted, self._load, self._clock = wanted, load, clock
        self._has = wanted()
        self._failed: str | None = None
        self._retry_at = 0.0
        self._told: tuple[str, str] | None = None
        self.refused = ""
        self.bench = load(self._has)

    def refresh(self, say: Said) -> None:
        """Load the promoted bundle, for the following batches. Raises Retryable."""
        wanted = self._wanted()
        if wanted == self._has:
            self.refused = ""
        elif (wanted or "") != self._failed or self._clock() >= self._retry_at:
            self._take(wanted)
        told = (self.bench.bundle.sha256, self.refused)
        if told != self._told:
            say(self.bench.bundle, self.refused)
            self._told = told

    def do(self, jobs: Sequence[Job]) -> None:
        """Run one batch with one bundle; each job ends recorded, postponed, buried or released.

        Thread-safe; a batch that runs during a promotion ends with its first bundle.
        """
        bench = self.bench
        images = [job for job in jobs if job.kind is JobKind.EXAMINE]
        if images:
            bench.examiner.examine(images)
        for job in jobs:
            if job.kind is JobKind.REPORT:
                bench.answerer.answer(job)
        bench.comparison.compare([job for job in jobs if job.kind is JobKind.COMPARE])

    def _take(self, wanted: str | None) -> None:
        """Load first, then release the old networks, so that there is always a usable bundle."""
        log = structlog.get_logger().bind(wanted=wanted or "[models] bundle", had=self.bench.bundle.sha256)
        loaded = self._loaded(wanted)
        if isinstance(loaded, str):
            self.refused, self._failed, self._retry_at = loaded, wanted or "", self._clock() + RETRY_S
            log.error(
                "bundle_refused", error=loaded, hint="the previous bundle stays in use; see `ra-node check`"
            )
        else:
            self.bench, self._has, self._failed, self.refused = loaded, wanted, None, ""
            log.info("bundle_loaded", bundle=loaded.bundle.sha256)

    def _loaded(self, wanted: str | None) -> LoadedAnalysis | str:
        """The loaded bundle, or the error; the old one stays usable."""
        try:
            return self._load(wanted)
        except NodeError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - e.g. of CUDA; no patient's data is near
            return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
