"""The further sentences that every rendering of a report shares, in English."""

from __future__ import annotations

from ra_node.domain.laterality import Side
from ra_node.domain.report import STAGES, HandFinding, Model, Staging, StudyReport

UNVERIFIED = "AI result, not verified by a physician."
NO_DEVICE = "Not a medical device."


def caveat(report: StudyReport) -> str:
    """What is said wherever the model speaks: unverified, the research label, the bundle's notice."""
    notice, label = report.bundle.notice, report.research_label
    repeated = label.strip().lower() in notice.lower()
    told = [_sentence(part) for part in ("" if repeated else label, notice) if part.strip()]
    if not any("medical device" in part.lower() for part in told):
        told.append(NO_DEVICE)
    return " ".join([UNVERIFIED, *told])


def side_sentence(hand: HandFinding) -> str:
    """The side of a hand and the evidence behind it, conflicts first."""
    side = hand.side.side
    said = "undetermined" if side is None else "right" if side is Side.RIGHT else "left"
    conflict = "evidence conflicts, please check; " if hand.side.conflict else ""
    place = f" ({hand.place})" if hand.place else ""
    return _sentence(f"Side{place}: {said}; {conflict}evidence: {hand.side.evidence or 'none'}")


def distribution_sentence(staging: Staging) -> str:
    """The probability of every stage, in percent."""
    parts = (f"stage {stage} {100 * staging.probabilities[stage]:.1f} %" for stage in STAGES)
    return _sentence(f"Stage probabilities: {', '.join(parts)}")


def disagreement_sentence(hand: HandFinding) -> str:
    """How recognition and staging contradict each other, or "" where they agree."""
    if not hand.disagreement or hand.recognition is None or hand.staging is None:
        return ""
    says = "present" if hand.recognition.positive else "absent"
    return (
        f"Recognition and staging disagree: recognition says rheumatoid arthritis {says},"
        f" staging says stage {hand.staging.stage}; please review this hand."
    )


def model_sentence(model: Model) -> str:
    """Which model did what, and how well it did so on hands that it had not seen."""
    named = f"{model.task.capitalize()} by {model.name} {model.version} ({model.architecture})"
    if model.auc is None:
        return f"{named}; accuracy not stated."
    area, low, high = model.auc
    return f"{named}; AUC on {model.measured_on} {area:.2f} (95 % interval {low:.2f} to {high:.2f})."


def _sentence(text: str) -> str:
    stripped = text.strip()
    return stripped if stripped.endswith((".", "!", "?")) else f"{stripped}."
