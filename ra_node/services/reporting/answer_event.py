"""Summary of a report in its event, for counters and charts.

Lists are separated by blanks. No patient attribute, and no UID of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ra_node.domain.report import STAGES, HandVerdict, StudyReport
from ra_node.ledger.database.events import Detail

NAMED = 12
"""Characters of a bundle's SHA-256 that name it."""


@dataclass(frozen=True, slots=True)
class AnswerSummary:
    """Summary of one report. `refusal` is that of a study without a rated hand, "" for others.

    `refusals` are the reasons of images and hands; `stages` and `probabilities` belong to the rated
    hands (present or absent), and a hand without staging has no stage. `known` is False for reports
    of older nodes without a summary.
    """

    known: bool
    refusal: str = ""
    refusals: tuple[str, ...] = ()
    positive: int = 0
    inconclusive: int = 0
    not_rated: int = 0
    stages: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()
    bundle: str = ""


def summary_detail(report: StudyReport) -> dict[str, Detail]:
    """Details of the event of a report."""
    judged = [hand for hand in report.hands if hand.rated]
    verdicts = [hand.verdict for hand in report.hands]
    return {
        "bundle": report.bundle.sha256[:NAMED],
        "refusal": str(report.refusal.reason) if report.refusal else "",
        "refusals": " ".join(_refusals(report)),
        "positive": verdicts.count(HandVerdict.PRESENT),
        "inconclusive": verdicts.count(HandVerdict.INCONCLUSIVE),
        "not_rated": verdicts.count(HandVerdict.NOT_RATED),
        "stages": " ".join(str(hand.staging.stage) for hand in judged if hand.staging),
        "probabilities": " ".join(
            f"{hand.recognition.probability:.4f}" for hand in judged if hand.recognition is not None
        ),
    }


def read_summary(detail: Mapping[str, Any]) -> AnswerSummary:
    """Read the details written by `summary_detail`; invalid values are left out."""
    if "probabilities" not in detail:
        return AnswerSummary(known=False)
    stages = [int(word) for word in str(detail.get("stages", "")).split() if word.isdigit()]
    return AnswerSummary(
        known=True,
        refusal=str(detail.get("refusal", "")),
        refusals=tuple(str(detail.get("refusals", "")).split()),
        positive=int(detail.get("positive", 0)),
        inconclusive=int(detail.get("inconclusive", 0)),
        not_rated=int(detail.get("not_rated", 0)),
        stages=tuple(stage for stage in stages if stage in STAGES),
        probabilities=tuple(float(word) for word in str(detail["probabilities"]).split()),
        bundle=str(detail.get("bundle", "")),
    )


def _refusals(report: StudyReport) -> Iterator[str]:
    for image in report.images:
        if image.refusal is not None:
            yield str(image.refusal.reason)
        for hand in image.hands:
            if hand.refusal is not None:
                yield str(hand.refusal.reason)
