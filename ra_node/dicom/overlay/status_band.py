"""Band above the radiographs: one colour and one line say whether to trust the result, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ra_node.dicom.overlay.elements import GROUND, WHITE, ElementGroup, Ink, Rectangle, moved
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box
from ra_node.domain.refusal import Reason
from ra_node.domain.report import StudyReport
from ra_node.domain.texts.report_trust import ReportTrust, trust_of, trust_reasons

BAND_PX, LEAST_BAND_PX = 48, 36
"""Size of the words of the band: 12 to 9 pixels where the frame is shown at a quarter of its size."""

PAD_X_PX, PAD_Y_PX = 22, 8
"""The words begin at the top edge, above what viewers lay over an image."""

MOST_LINES = 4


@dataclass(frozen=True, slots=True)
class BandStyle:
    """Colours of a state; they differ in brightness too, and "no result" is hollow."""

    fill: Ink
    ink: Ink
    line: Ink | None = None


STYLES = {
    ReportTrust.NO_RESULT: BandStyle(fill=(22, 25, 30), ink=WHITE, line=(168, 174, 182)),
    ReportTrust.DOUBT: BandStyle(fill=(255, 205, 80), ink=GROUND),
    ReportTrust.RESEARCH: BandStyle(fill=(120, 84, 182), ink=WHITE),
    ReportTrust.RESULT: BandStyle(fill=(10, 60, 112), ink=WHITE),
}


def status_band(report: StudyReport, width_px: int, pen: Pen) -> ElementGroup:
    """The state in capitals and its reasons, on one line where it fits."""
    trust = trust_of(report)
    style = STYLES[trust]
    text = _text(report, trust, pen)
    inner = width_px - 2 * PAD_X_PX
    size = next(
        (
            px
            for px in range(BAND_PX, LEAST_BAND_PX - 1, -2)
            if pen.line(text, px, bold=True).width_px <= inner
        ),
        LEAST_BAND_PX,
    )
    words = pen.paragraph(text, size, inner, lines=MOST_LINES, ink=style.ink, bold=True)
    height = words.height_px + 2 * PAD_Y_PX
    fill = Rectangle(Box(0, 0, width_px, height), fill=style.fill, line=style.line, line_px=5)
    return ElementGroup(width_px, height, (fill, *moved(words.parts, PAD_X_PX, PAD_Y_PX)))


def _text(report: StudyReport, trust: ReportTrust, pen: Pen) -> str:
    refusal = report.refusal
    withdrawn = refusal is not None and refusal.reason is Reason.WITHDRAWN
    parts = [pen.language.say("trust.withdrawn_title" if withdrawn else f"trust.{trust}_title").upper()]
    if report.version > 1:
        parts.append(pen.say("revision", version=report.version, earlier=report.version - 1))
    stop = pen.language.say("sign.stop")
    parts += [reason.removesuffix(stop).removesuffix(".") for reason in trust_reasons(report, pen.language)]
    return pen.say("band_separator").join(parts)
