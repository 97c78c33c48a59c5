"""Prometheus metrics: totals from the event log, and gauges read from the ledger at the scrape.

Nothing is counted in this process, so that a restart loses nothing and every host reports the same.
No label holds a patient or study attribute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ra_node import __version__
from ra_node.domain.job import JobKind
from ra_node.domain.report import WithdrawalCause
from ra_node.errors import NodeError
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.engine import LedgerLost
from ra_node.ledger.overview import NOT_DONE, oldest_unanswered, open_delivery_counts, open_job_counts
from ra_node.ledger.overview import unkept_counts as unkept
from ra_node.ledger.withdrawals import waiting_withdrawals
from ra_node.services.delivery.destination_status import standings
from ra_node.services.monitoring.event_counters import BOUNDS_S, Durations, EventCounters
from ra_node.services.preflight.alarms import counts_by_kind
from ra_node.web.context import PageContext

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labelled: TypeAlias = Mapping[Any, float]
"""Values by their label values, a tuple of words; no labels: `()`."""


def exposition(desk: PageContext) -> bytes:
    """One scrape, in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LedgerCollector(desk))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True, eq=False)
class LedgerCollector(Collector):
    """Reads the ledger at each scrape; while it is unreachable, reports only `ra_node_ledger_up 0`."""

    desk: PageContext

    def describe(self) -> list[Metric]:
        """Nothing before a scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics of one moment."""
        yield gauge("build_info", "The software.", {(__version__,): 1.0}, "version")
        yield from self._machine()
        try:
            metrics = [*self._open(), *self._peers(), *self._told(), *self._models()]
            up = 1.0
        except LedgerLost:
            up, metrics = 0.0, [_alarms({AlarmKind.IDENTITY: 1})]
        except NodeError:
            up, metrics = 0.0, []
        yield gauge("ledger_up", "1 while the ledger responds.", {(): up})
        yield from metrics

    def _machine(self) -> Iterator[Metric]:
        disk = self.desk.disk()
        if disk is not None:
            yield gauge("disk_free_bytes", "Free space for received files and results.", {(): disk.free})
            low = "Free space below which images are refused."
            yield gauge("disk_low_bytes", low, {(): disk.low})
        roles = {(role,): 0 for role in self.desk.health.needed}
        roles |= {(role,): n for role, n in Counter(self.desk.health.processes()).items()}
        yield gauge("role_lines", "Running instances of each role; 0: none.", roles, "role")
        ends = {(name,): at for name, at in self.desk.certificates().items()}
        if ends:
            text = "When a certificate of [tls] ends."
            yield gauge("certificate_expires_timestamp_seconds", text, ends, "file")

    def _open(self) -> Iterator[Metric]:
        ledger = self.desk.ledger
        yield _alarms(counts_by_kind(alarms(ledger)))
        found = open_job_counts(ledger)
        jobs = {(kind, state): found.get((kind, state), 0) for kind in JobKind for state in NOT_DONE}
        yield gauge("jobs", "Jobs that are not done; buried ones wait for a person.", jobs, "kind", "state")
        waiting = {(): float(waiting_withdrawals(ledger))}
        yield gauge("withdrawals_waiting", "Requested withdrawals that have not begun.", waiting)
        since = oldest_unanswered(ledger)
        waits = 0.0 if since is None else max(0.0, ledger.clock() - since)
        text = "Age of the image that waits longest for its report; 0: none waits."
        yield gauge("oldest_unanswered_seconds", text, {(): waits})
        text = "Objects that a destination does not have."
        yield gauge("open_deliveries", text, open_delivery_counts(ledger), "peer", "state")
        text = "Delivered objects whose storage commitment is pending."
        yield gauge("open_commitments", text, unkept(ledger), "peer", "state")

    def _peers(self) -> Iterator[Metric]:
        ledger = self.desk.ledger
        stand, now = standings(ledger, self.desk.destinations), ledger.clock()
        up = {(one.peer,): float(not one.outages) for one in stand if one.configured}
        yield gauge("destination_up", "0 while a destination is not reachable.", up, "peer")
        ages = {(one.peer,): max(0.0, now - (one.waiting_since or now)) for one in stand}
        yield gauge("oldest_undelivered_seconds", "Age of the oldest delivery that waits.", ages, "peer")
        sources = {(one.ae_title, one.name): 1.0 for one in self.desk.sources}
        yield gauge("source_info", "Configured sources.", sources, "source", "name")

    def _told(self) -> Iterator[Metric]:
        if not self.desk.follower.caught_up:
            return
        with self.desk.follower.tally() as tally:
            yield from totals(tally)
            last = {(source,): at for source, at in tally.last_image.items()}
        yield gauge("last_received_timestamp_seconds", "When a source last sent an image.", last, "source")

    def _models(self) -> Iterator[Metric]:
        models = self.desk.models()
        if models.in_use is not None:
            used = models.in_use
            text = "The bundle in use."
            yield gauge("bundle_info", text, {(used.name, used.version, used.sha256): 1.0}, *_BUNDLE)
        living = self.desk.health.workers()
        workers = {(one.owner, one.name, one.version, one.sha256): 1.0 for one in living}
        yield gauge("worker_info", "Running workers with their bundles.", workers, "owner", *_BUNDLE)
        memory = {(w.owner,): w.gpu_bytes for w in living if w.gpu_bytes is not None}
        yield gauge("gpu_memory_bytes", "GPU memory that a worker holds.", memory, "owner")


_BUNDLE = ("name", "version", "sha256")


def _alarms(raised: Mapping[AlarmKind, int]) -> Metric:
    """One value a kind; a lost ledger is reported without reading it."""
    values = {(kind,): float(n) for kind, n in raised.items()}
    return gauge("alarms", "Conditions that need a person, by kind.", values, "kind")


def totals(tally: EventCounters) -> Iterator[Metric]:
    """Counters."""
    images = {(source,): n for source, n in tally.images.items()}
    yield counter("images_received", "Images received and kept.", images, "source")
    size = {(source,): n for source, n in tally.bytes.items()}
    yield counter("received_bytes", "Bytes received and kept.", size, "source")
    yield counter("studies_settled", "Versions of studies that were settled.", {(): tally.settled})
    answered = {(result,): tally.answered[result] for result in ("judged", "refused")}
    answered |= {(result,): n for result, n in tally.answered.items()}
    text = "Reports, with a rated hand or with the reason why there is none."
    yield counter("studies_answered", text, answered, "result")
    text = "Refusals by reason: of whole studies, and of their images and hands."
    yield counter("refusals", text, tally.refusals, "of", "reason")
    stages = {(str(stage),): n for stage, n in sorted(tally.stages.items())}
    yield counter("hands_judged", "Rated hands by stage.", stages, "stage")
    text = "Hands outside the domain of the bundle, which were not rated."
    yield counter("hands_not_rated", text, {(): tally.not_rated})
    text = "Hands about which recognition and staging contradicted each other."
    yield counter("hands_inconclusive", text, {(): tally.inconclusive})
    buried = {(kind,): tally.jobs[kind, "buried"] for kind in JobKind}
    yield counter("jobs_buried", "Jobs that were buried.", buried, "kind")
    requeued = {(kind,): tally.jobs[kind, "requeued"] for kind in JobKind}
    yield counter("jobs_requeued", "Jobs that an operator requeued.", requeued, "kind")
    causes = {(cause,): tally.withdrawn[cause] for cause in WithdrawalCause}
    yield counter("studies_withdrawn", "Studies whose results were withdrawn.", causes, "cause")
    text = "Objects delivered to, refused by and committed by a destination."
    yield counter("objects", text, tally.objects, "peer", "result")
    yield durations(tally)


def durations(tally: EventCounters) -> Metric:
    """Durations of the steps."""
    text = "Settle: from the first image to a settled study; then report, deliver, commit."
    made = HistogramMetricFamily("ra_node_step_duration_seconds", text, labels=["step"])
    for step, took in tally.steps.items():
        made.add_metric([step], _buckets(took), took.sum_s)
    return made


def gauge(name: str, text: str, values: Labelled, *labels: str) -> Metric:
    """A gauge with its values by label values."""
    made = GaugeMetricFamily(f"ra_node_{name}", text, labels=labels)
    for key, value in values.items():
        made.add_metric([str(word) for word in key], value)
    return made


def counter(name: str, text: str, values: Labelled, *labels: str) -> Metric:
    """A counter; its name gets `_total`."""
    made = CounterMetricFamily(f"ra_node_{name}", text, labels=labels)
    for key, value in values.items():
        made.add_metric([str(word) for word in key], value)
    return made


def _buckets(took: Durations) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
    return list(zip(bounds, map(float, accumulate(took.counts)), strict=True))
