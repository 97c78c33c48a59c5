"""Renders a report as plain text for the terminal and the operator, 80 columns wide.

Names no patient; the study is named by its UID.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from textwrap import wrap

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
    presence,
    refusal_text,
    side_sentence,
)
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import english
from ra_node.domain.texts.wording import percent_words, stage_share_words, told

WIDTH = 80
_KEY_WIDTH = 14
_BAR_WIDTH = 20


def report_text(report: StudyReport) -> str:
    """The whole report, lines of at most 80 columns, with a last newline; a withdrawal comes first."""
    return "\n".join(line.rstrip() for line in _lines(report)) + "\n"


def _lines(report: StudyReport) -> Iterator[str]:
    withdrawn = report.withdrawal is not None
    if withdrawn:
        yield from wrap(summary_sentence(report), WIDTH)
        yield ""
    yield "Hand radiographs: rheumatoid arthritis"
    yield "=" * WIDTH
    yield from _field("Study", report.study_instance_uid)
    yield from _field("Report", f"version {report.version}, {report.created_at:%Y-%m-%d %H:%M:%S %z}")
    yield from _field("Bundle", f"{report.bundle.name} {report.bundle.version}, {report.bundle.sha256[:12]}")
    if not withdrawn:
        yield ""
        yield from wrap(summary_sentence(report), WIDTH)
    for sentence in follow_up_sentences(report):
        yield from wrap(sentence, WIDTH)
    groups = groups_of(report)
    told_together = grouped_numbers(groups)
    for number, image in enumerate(report.images, start=1):
        if number not in told_together:
            yield ""
            yield from _image_lines(image, number)
    for group in groups:
        yield ""
        yield f"{len(group.numbers)} images: {ranges(group.numbers)}"
        yield "-" * WIDTH
        yield from _field("Not rated", " ".join(refusal_text(refusal) for refusal in group.refusals))
    yield ""
    yield "-" * WIDTH
    for model in used_models(report):
        yield from wrap(model_sentence(model), WIDTH)
    yield from wrap(heat_map_sentence(report), WIDTH)
    yield from wrap(caveat(report), WIDTH)


def _image_lines(image: ImageFinding, number: int) -> Iterator[str]:
    yield f"Image {number}  {image.columns} x {image.rows} pixels".ljust(WIDTH, " ")
    yield "-" * WIDTH
    if image.refusal is not None:
        yield from _field("Not rated", refusal_text(image.refusal))
    for hand in image.hands:
        yield from _hand_lines(hand)
    for remark in image.remarks:
        yield from _field("Remark", told(remark))


def _hand_lines(hand: HandFinding) -> Iterator[str]:
    place = f", {hand.place}" if hand.place and hand.side.side is not None else ""
    yield f"{hand_name(hand)}{place}"
    if hand.refusal is not None or hand.recognition is None:
        why = hand_sentence(hand) if hand.refusal is None else refusal_text(hand.refusal)
        yield from _field("Not rated", why)
    else:
        yield from _result_lines(hand)
    yield from _field("Side", side_sentence(hand).partition(": ")[2])


def _result_lines(hand: HandFinding) -> Iterator[str]:
    assert hand.recognition is not None
    outside = outside_sentence(hand)
    if outside:
        yield from _field("Read first", outside)
    if hand.verdict is HandVerdict.INCONCLUSIVE:
        yield from _field("RA", "INCONCLUSIVE")
        yield from _field("Please review", hand_sentence(replace(hand, outside=())))
        joints = joints_sentence(hand).partition(": ")[2]
        yield from _field("Joints", joints) if joints else ()
        return
    probability, threshold = percent_words(hand.recognition, english())
    said = presence(hand.recognition).upper()
    yield from _field("RA", f"{said}  probability of RA {probability}, threshold {threshold}")
    restated = hand.recognition.at_prevalence
    if restated is not None:
        prevalence, posterior = (
            f"{100 * share:.3g}" for share in (restated.prevalence, restated.probability)
        )
        yield from _field("", f"at a prevalence of {prevalence} %: probability {posterior} %")
    if hand.staging is not None:
        yield from _field("Stage", str(hand.staging.stage))
        for stage, share in enumerate(hand.staging.probabilities):
            chosen = "<" if stage == hand.staging.stage else ""
            bar = "#" * round(share * _BAR_WIDTH)
            percent = stage_share_words(share, english())
            yield f"  {'':{_KEY_WIDTH}}{stage}  {percent:>6}  {bar.ljust(_BAR_WIDTH)} {chosen}"
    others = (
        ("Joints", joints_sentence(hand).partition(": ")[2]),
        ("Care", doubt_sentence(hand)),
        ("Attention", attention_sentence(hand)),
    )
    for key, sentence in others:
        if sentence:
            yield from _field(key, sentence)


def _field(key: str, value: str) -> Iterable[str]:
    head, indent = f"  {key:<{_KEY_WIDTH}}", " " * (_KEY_WIDTH + 2)
    lines = wrap(value, WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
    return lines or [head]
