"""Overview for the operator: state of the node, list of studies, details of one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ra_node import __version__
from ra_node.dicom.plain_text import report_text
from ra_node.domain.job import Job
from ra_node.errors import Refused
from ra_node.ledger.alarms import Alarm, alarms
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import Event, timeline
from ra_node.ledger.deliveries import Delivery, deliveries_of
from ra_node.ledger.overview import (
    StudyLine,
    buried_jobs,
    commitment_counts,
    delivery_counts,
    find_study,
    job_counts,
    oldest_unanswered,
    studies,
    study_counts,
)
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import latest_result
from ra_node.services.delivery.destination_status import DestinationStatus, Disk, standings
from ra_node.services.models.status import Models


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the node at one moment; times are UTC seconds since 1970."""

    at: float
    studies: dict[str, int]
    jobs: dict[str, int]
    deliveries: dict[str, int]
    oldest_unanswered: float | None
    buried: list[Job]
    models: Models
    commitments: dict[str, int]
    peers: list[DestinationStatus]
    disk: Disk | None
    alarms: list[Alarm]
    node_version: str = __version__
    """Of the software; `models` has that of the bundle."""
    roles: dict[str, int] = field(default_factory=dict)
    """Running processes by role, on every host; those needed and absent with 0."""


@dataclass(frozen=True, slots=True)
class StudyTimeline:
    """One study with everything that happened to it."""

    study: StudyLine
    events: list[Event]
    deliveries: list[Delivery]
    text: str
    """The newest report as text, "" while there is none."""


def overview(
    ledger: Ledger, models: Models, destinations: Collection[str] = (), disk: Disk | None = None
) -> Overview:
    """Counts, and conditions that need an operator; `models` and `disk` are given."""
    return Overview(
        at=ledger.clock(),
        studies={str(state): count for state, count in study_counts(ledger).items()},
        jobs={f"{kind} {state}": count for (kind, state), count in job_counts(ledger).items()},
        deliveries={f"{peer} {state}": count for (peer, state), count in delivery_counts(ledger).items()},
        oldest_unanswered=oldest_unanswered(ledger),
        buried=buried_jobs(ledger),
        models=models,
        commitments={f"{peer} {state}": count for (peer, state), count in commitment_counts(ledger).items()},
        peers=standings(ledger, destinations),
        disk=disk,
        alarms=alarms(ledger),
    )


def no_overview(models: Models, raised: list[Alarm]) -> Overview:
    """State without a ledger."""
    return Overview(raised[0].since, {}, {}, {}, None, [], models, {}, [], None, raised)


def list_studies(ledger: Ledger, limit: int) -> list[StudyLine]:
    """Studies, the last received first."""
    return studies(ledger, limit)


def study_story(ledger: Ledger, study_uid: str) -> StudyTimeline:
    """Details of one study; Refused for an unknown one."""
    study = find_study(ledger, study_uid)
    if study is None:
        raise Refused(f"no study {study_uid} in the ledger; `ra-node studies` lists those that there are")
    result = latest_result(ledger, study_uid)
    text = report_text(report_from_json(result.report_json)) if result else ""
    return StudyTimeline(study, timeline(ledger, study_uid), deliveries_of(ledger, study_uid), text)
