"""Layouts of the cases, and what they say."""

from __future__ import annotations

from functools import cache

from ra_node.dicom.overlay.elements import ElementGroup
from ra_node.dicom.overlay.layout import lay_out
from ra_node.domain.report import StudyReport
from tests.dicom.overlay_cases import ENGLISH, REPORTS, displays


def laid_out(shown: StudyReport) -> ElementGroup:
    return lay_out(shown, displays(shown), ENGLISH)


@cache
def case_layout(case: str) -> ElementGroup:
    return laid_out(REPORTS[case])


def said(layout: ElementGroup) -> str:
    """All text in the order of reading within its block, line breaks as blanks."""
    return " ".join(words.text for words in layout.words)
