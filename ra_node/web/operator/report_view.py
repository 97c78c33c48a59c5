"""The report for the page, in the language of the site: what a template shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ra_node.domain.image_groups import grouped_numbers, groups_of, ranges
from ra_node.domain.prior_comparison import follow_up_sentences
from ra_node.domain.report import HandFinding, HandVerdict, ImageFinding, StudyReport
from ra_node.domain.texts.joint_sentences import attention_sentence, joints_sentence
from ra_node.domain.texts.model_sentences import heat_map_sentence, model_sentence, used_models
from ra_node.domain.texts.report_sentences import (
    caveat,
    doubt_sentence,
    hand_name,
    hand_sentence,
    outside_sentence,
    refusal_text,
    side_sentence,
)
from ra_node.domain.texts.report_trust import ReportTrust, trust_of, trust_reasons
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import Language
from ra_node.domain.texts.wording import stage_share_words, told


@dataclass(frozen=True, slots=True)
class StageShare:
    """Probability of one stage: in 0..1, in words, and whether it is the stage of the hand."""

    stage: int
    share: float
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class HandView:
    """One hand: its name, verdict, the reason first, then the sentences of the report."""

    name: str
    verdict: HandVerdict
    reason: str
    sentences: tuple[str, ...]
    stages: tuple[StageShare, ...]
    side: str


@dataclass(frozen=True, slots=True)
class ImageView:
    """Images with one number or several: their hands, or the reason why there are none."""

    numbers: str
    hands: tuple[HandView, ...]
    reason: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole report."""

    version: int
    trust: ReportTrust
    trust_words: str
    reasons: tuple[str, ...]
    summary: str
    follow_up: tuple[str, ...]
    images: tuple[ImageView, ...]
    notes: tuple[str, ...]
    withdrawn: bool


def report_view(report: StudyReport, language: Language) -> ReportView:
    """The report in sentences."""
    trust, groups = trust_of(report), groups_of(report)
    together = grouped_numbers(groups)
    single = [
        _image(image, number, language)
        for number, image in enumerate(report.images, start=1)
        if number not in together
    ]
    grouped = [
        ImageView(
            ranges(group.numbers),
            (),
            " ".join(refusal_text(refusal, language) for refusal in group.refusals),
            (),
        )
        for group in groups
    ]
    notes = [
        *(model_sentence(model, language) for model in used_models(report)),
        heat_map_sentence(report, language),
        caveat(report, language),
    ]
    return ReportView(
        report.version,
        trust,
        language.say(f"trust.{'withdrawn' if report.withdrawal else trust}_title"),
        tuple(trust_reasons(report, language)),
        summary_sentence(report, language),
        tuple(follow_up_sentences(report, language)),
        (*single, *grouped),
        tuple(note for note in notes if note),
        report.withdrawal is not None,
    )


def _image(image: ImageFinding, number: int, language: Language) -> ImageView:
    reason = "" if image.refusal is None else refusal_text(image.refusal, language)
    hands = tuple(_hand(hand, language) for hand in image.hands)
    return ImageView(str(number), hands, reason, tuple(told(remark, language) for remark in image.remarks))


def _hand(hand: HandFinding, language: Language) -> HandView:
    rated = hand.rated and hand.staging is not None
    if hand.refusal is not None:
        reason = refusal_text(hand.refusal, language)
        sentences: list[str] = []
    else:
        reason = outside_sentence(hand, language)
        sentences = [
            hand_sentence(replace(hand, outside=()), language),
            joints_sentence(hand, language),
            doubt_sentence(hand, language) if rated else "",
            attention_sentence(hand, language) if rated else "",
        ]
    return HandView(
        hand_name(hand, language),
        hand.verdict,
        reason,
        tuple(one for one in sentences if one),
        _stages(hand, language) if rated else (),
        side_sentence(hand, language),
    )


def _stages(hand: HandFinding, language: Language) -> tuple[StageShare, ...]:
    assert hand.staging is not None
    return tuple(
        StageShare(stage, share, stage_share_words(share, language), stage == hand.staging.stage)
        for stage, share in enumerate(hand.staging.probabilities)
    )
