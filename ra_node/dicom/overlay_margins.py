"""What frames the radiographs: the banner above, and under them who made the result, when and with what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from ra_node import __version__
from ra_node.dicom.overlay_parts import (
    AMBER,
    KEY_PX,
    MUTED,
    RULE,
    TEXT_PX,
    Block,
    Frame,
    Part,
    line,
    moved,
    paragraph,
    stacked,
)
from ra_node.domain.geometry import Box
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.wording import hand_sentence, model_sentence, summary_sentence

BANNER = "AI result - not verified"
LEGEND = (
    "Solid line: judged. Dashed line: not analysed, side undetermined, uncertain, or findings that disagree."
)
FINE_PX = 30
SUMMARY_PX = 48


def header(report: StudyReport, width_px: int) -> Block:
    """The banner, the research label, the bundle's notice and the summary of the study."""
    blocks = [_banner(report, width_px)]
    blocks += [paragraph(text, KEY_PX - 4, width_px, lines=3, ink=AMBER) for text in _notices(report)]
    blocks.append(paragraph(summary_sentence(report), SUMMARY_PX, width_px, lines=5))
    return stacked(blocks, 10)


def _banner(report: StudyReport, width_px: int) -> Block:
    banner = line(BANNER, KEY_PX + 20, ink=AMBER, bold=True)
    if report.version == 1:
        return _ruled(banner, width_px)
    revision = line(revision_words(report), KEY_PX - 4, bold=True)
    if banner.width_px + revision.width_px + 80 > width_px:
        return _ruled(stacked([banner, revision]), width_px)
    right = moved(revision.parts, width_px - revision.width_px, 20)
    return _ruled(Block(width_px, banner.height_px, (*banner.parts, *right)), width_px)


def _ruled(block: Block, width_px: int) -> Block:
    foot = block.height_px + 6
    rule = Frame(Box(0, foot, width_px, foot + 8), fill=AMBER)
    return Block(width_px, foot + 8, (*block.parts, rule))


def _notices(report: StudyReport) -> list[str]:
    """The research label and the bundle's notice; neither twice."""
    label, notice = report.research_label.strip(), report.bundle.notice.strip()
    if label and label.rstrip(".").casefold() in notice.casefold():
        label = ""
    return [text for text in (label, notice) if text]


def revision_words(report: StudyReport) -> str:
    """Say which report this is and which it replaces."""
    if report.version == 1:
        return "Report version 1"
    return f"Revision {report.version}, replaces version {report.version - 1}"


def listed(images: Sequence[ImageFinding], report: StudyReport, width_px: int) -> Block:
    """One line for each image that is not shown: its number in the study and its result or refusal."""
    blocks = [line("Not shown as a picture", TEXT_PX, bold=True)]
    for image in images:
        number = f"Image {report.images.index(image) + 1}: "
        blocks += [paragraph(number + text, TEXT_PX - 4, width_px, lines=3) for text in _said(image)]
    return stacked(blocks, 6)


def _said(image: ImageFinding) -> list[str]:
    if image.refusal is not None:
        return [f"not analysed. {image.refusal.text}"]
    return [hand_sentence(hand) for hand in image.hands]


def footer(report: StudyReport, width_px: int) -> Block:
    """Who judged, with what, when, in which version, and how to read the lines."""
    made = report.created_at.astimezone(UTC)
    bundle = report.bundle
    texts = [
        LEGEND,
        *(map(model_sentence, bundle.models) if bundle.models else ["No model was run."]),
        f"Bundle {bundle.name} {bundle.version}, SHA-256 {bundle.sha256[:12]}. ra-node {__version__}.",
        f"{made:%Y-%m-%d %H:%M:%S} UTC. {revision_words(report)}{_predecessor(report)}.",
        "Scaled pictures, not for measurement: diagnose on the source images.",
    ]
    rule: Part = Frame(Box(0, 0, width_px, 3), fill=RULE)
    body = stacked([paragraph(text, FINE_PX, width_px, lines=4, ink=MUTED) for text in texts], 2)
    return Block(width_px, body.height_px + 16, (rule, *moved(body.parts, 0, 16)))


def _predecessor(report: StudyReport) -> str:
    return f" (SR {report.predecessor_sr_uid})" if report.predecessor_sr_uid else ""
