"""Findings and reports as JSON, and back to the equal value."""

from __future__ import annotations

from pydantic import TypeAdapter

from ra_node.domain.report import ImageFinding, StudyReport

_FINDING = TypeAdapter(ImageFinding)
_REPORT = TypeAdapter(StudyReport)


def finding_to_json(finding: ImageFinding) -> str:
    """Write a finding as one line of JSON."""
    return _FINDING.dump_json(finding).decode()


def finding_from_json(text: str) -> ImageFinding:
    """Read what `finding_to_json` wrote; ValidationError for anything else."""
    return _FINDING.validate_json(text)


def report_to_json(report: StudyReport, *, indent: int | None = None) -> str:
    """Write a report as JSON."""
    return _REPORT.dump_json(report, indent=indent).decode()


def report_from_json(text: str) -> StudyReport:
    """Read what `report_to_json` wrote; ValidationError for anything else."""
    return _REPORT.validate_json(text)
