"""Results in the report tree: a measurement group for each hand with a result (TID 1410).

Every group has a region, because viewers show one without as a black image. Only a hand with a result has its
outline as region: viewers draw every region, and an outlined hand looks rated. An image without such a hand
has one group, the whole image, with its reasons.
"""

from __future__ import annotations

from collections.abc import Iterator

import highdicom.sr as hd

from ra_node.dicom import concept_codes
from ra_node.dicom.sr.content_item import Item, Relation, code, container, finding_site, item, text
from ra_node.dicom.sr.group_parts import (
    algorithm_of,
    comment,
    measurement_group,
    probability_of,
    region_of,
    tracking_of,
)
from ra_node.dicom.sr.joint_groups import joint_groups
from ra_node.dicom.sr.observation_context import is_image, is_referenced
from ra_node.dicom.sr.visual_explanation import visual_explanation
from ra_node.domain.eligibility import is_image_class
from ra_node.domain.geometry import Box
from ra_node.domain.image_groups import Group, grouped_numbers, groups_of, ranges
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.prior_comparison import follow_up_sentences
from ra_node.domain.report import (
    HandFinding,
    HandVerdict,
    ImageFinding,
    StudyReport,
)
from ra_node.domain.texts.joint_sentences import attention_sentence, joints_sentence
from ra_node.domain.texts.model_sentences import (
    bundle_sentence,
    heat_map_sentence,
    model_sentence,
    used_models,
)
from ra_node.domain.texts.report_sentences import (
    caveat,
    distribution_sentence,
    doubt_sentence,
    hand_name,
    hand_sentence,
    refusal_text,
    research_sentence,
    side_sentence,
)
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import english

RECOGNITION_TASK = "recognition"
STAGING_TASK = "staging"


def imaging_measurements(report: StudyReport) -> Item | None:
    """All groups (row 6), or None where no instance of the study can hold one."""
    told_together = grouped_numbers(groups_of(report))
    groups = [
        group
        for number, image in enumerate(report.images, start=1)
        if number not in told_together
        for group in _image_groups(report, image, number)
    ]
    return container(concept_codes.IMAGING_MEASUREMENTS, groups) if groups else None


def summary(report: StudyReport) -> Item:
    """The whole study in one text: what replaces what, the result or the reason, and the caveat, once.

    A withdrawal comes before everything else, so that a plain renderer shows it first.
    """
    sentences = [*_version_sentence(report), summary_sentence(report), caveat(report)]
    if report.withdrawal is not None:
        sentences.insert(0, sentences.pop(-2))
    return text(concept_codes.SUMMARY, " ".join(sentences))


def study_conclusions(report: StudyReport) -> Item:
    """Rows 12 and 14: models with the Device UIDs of their weights, comparison, reasons without a region."""
    sentences: list[str] = []
    if any(_is_judged(hand) for hand in report.hands):
        sentences.extend(
            f"{model_sentence(model)} Device UID {model.device_uid}." for model in used_models(report)
        )
        sentences.append(heat_map_sentence(report))
        sentences.append(bundle_sentence(report.bundle))
    items = [comment(sentence) for sentence in sentences if sentence]
    items.extend(_follow_up(report))
    groups = groups_of(report)
    told_together = grouped_numbers(groups)
    for number, image in enumerate(report.images, start=1):
        if number in told_together:
            continue
        items.extend(comment(f"Image {number}: {remark}") for remark in image.remarks)
        items.extend(_hands_beside(image))
        if not is_image(image):
            items.append(_without_picture(image, number))
    items.extend(item for group in groups for item in _told_together(group))
    return container(concept_codes.QUALITATIVE_EVALUATIONS, items)


def _follow_up(report: StudyReport) -> Iterator[Item]:
    """The earlier report, each sentence with a reference to it."""
    for sentence in follow_up_sentences(report):
        assert report.prior is not None
        prior = report.prior
        source = _source(hd.CompositeContentItem, prior.sop_class_uid, prior.sop_instance_uid)
        yield comment(sentence, [source])


def _version_sentence(report: StudyReport) -> list[str]:
    if report.version == 1 and report.predecessor_sr_uid is None:
        return []
    return [f"Version {report.version} of this report; it replaces the earlier one."]


def _without_picture(image: ImageFinding, number: int) -> Item:
    """The reason for an instance without displayable pixels, with a reference to it."""
    reason = "no result" if image.refusal is None else refusal_text(image.refusal)
    if not is_referenced(image):
        return comment(f"Instance {number} (SOP Instance UID {image.sop_instance_uid}) not rated: {reason}")
    return comment(f"Instance {number} not rated: {reason}", [_reference(image)])


def _reference(image: ImageFinding) -> Item:
    kind = hd.ImageContentItem if is_image_class(image.sop_class_uid) else hd.CompositeContentItem
    return _source(kind, image.sop_class_uid, image.sop_instance_uid)


def _told_together(group: Group) -> Iterator[Item]:
    """One reason for many images, with a reference to each; in a patient conflict by their UIDs only."""
    reason = " ".join(refusal_text(refusal) for refusal in group.refusals) or "no result"
    said = f"{len(group.numbers)} instances ({ranges(group.numbers)}) not rated: {reason}"
    sources = [_reference(image) for image in group.images if is_referenced(image)]
    yield comment(said, sources)
    if not sources:
        yield comment("SOP Instance UIDs: " + ", ".join(image.sop_instance_uid for image in group.images))
    remarks = dict.fromkeys(remark for image in group.images for remark in image.remarks)
    yield from (comment(f"Of some of these instances: {remark}") for remark in remarks)


def _source(
    kind: type[hd.ImageContentItem | hd.CompositeContentItem], sop_class: str, sop_instance: str
) -> Item:
    return item(
        kind,
        name=concept_codes.SOURCE,
        referenced_sop_class_uid=sop_class,
        referenced_sop_instance_uid=sop_instance,
        relationship_type=Relation.INFERRED_FROM,
    )


def _image_groups(report: StudyReport, image: ImageFinding, number: int) -> Iterator[Item]:
    judged = [hand for hand in image.hands if _is_judged(hand)]
    if not judged and is_image(image):
        yield _refused_image(image, number)
    for hand in judged:
        yield _hand_group(report, image, hand, number)
        if hand.rated:
            yield from joint_groups(report, image, hand, number)


def _refused_image(image: ImageFinding, number: int) -> Item:
    """The whole image as region with its reasons, so that a viewer shows that image."""
    whole = Box(0, 0, image.columns, image.rows)
    said = [] if image.refusal is None else [f"Image {number} not rated: {refusal_text(image.refusal)}"]
    said += [sentence for hand in image.hands for sentence in _hand_comments(hand)]
    return measurement_group(
        tracking_of(f"Not rated, image {number}", image, "image"),
        comments=said,
        region=region_of(image, whole.corners(), whole),
    )


def _hands_beside(image: ImageFinding) -> Iterator[Item]:
    """The hands without a result beside one that has one, with a reference to their image."""
    if any(_is_judged(hand) for hand in image.hands):
        for hand in image.hands:
            if not _is_judged(hand):
                yield comment(" ".join(_hand_comments(hand)), [_reference(image)])


def _hand_group(report: StudyReport, image: ImageFinding, hand: HandFinding, number: int) -> Item:
    box = hand.region.box
    tracking = tracking_of(
        _tracking_name(report, hand, number), image, f"hand {box.x0} {box.y0} {box.x1} {box.y1}"
    )
    return measurement_group(
        tracking,
        finding=concept_codes.RHEUMATOID_ARTHRITIS if hand.verdict is HandVerdict.PRESENT else None,
        site=_site(hand.side.side),
        results=_results(report, hand),
        comments=_hand_comments(hand),
        region=region_of(image, hand.region.outline, box),
    )


def _tracking_name(report: StudyReport, hand: HandFinding, number: int) -> str:
    """What viewers list for a group: "Right hand: RA suspected".

    The image is named where there are several.
    """
    words = english()
    verdict = words.say(f"overlay.verdict_{hand.verdict}")
    said = words.say("overlay.hand_verdict", hand=hand_name(hand), verdict=verdict)
    return f"{said}, image {number}" if len(report.images) > 1 else said


def _is_judged(hand: HandFinding) -> bool:
    return hand.recognition is not None and hand.refusal is None


def _hand_comments(hand: HandFinding) -> list[str]:
    sentences = [hand_sentence(hand)]
    if _is_judged(hand):
        rated = hand.rated and hand.staging is not None
        sentences.append(distribution_sentence(hand.staging) if rated and hand.staging else "")
        sentences.append(joints_sentence(hand))
        sentences.append(doubt_sentence(hand))
        sentences.append(attention_sentence(hand))
    sentences.append(side_sentence(hand))
    sentences.append(research_sentence(hand))
    return [sentence for sentence in sentences if sentence]


def _site(side: Side | None) -> Item:
    return finding_site(
        concept_codes.hand_site(side), None if side is None else concept_codes.side_code(side)
    )


def _results(report: StudyReport, hand: HandFinding) -> Iterator[Item]:
    """Present or absent, its probability, and the stage, each with the algorithm behind it.

    An inconclusive hand has neither figure nor stage, because a table reader would take them for a result.
    """
    assert hand.recognition is not None
    if hand.verdict is HandVerdict.INCONCLUSIVE:
        algorithm = algorithm_of(report, RECOGNITION_TASK) + algorithm_of(report, STAGING_TASK)
        yield code(concept_codes.RHEUMATOID_ARTHRITIS, concept_codes.INCONCLUSIVE, children=algorithm)
        return
    yield code(
        concept_codes.RHEUMATOID_ARTHRITIS,
        concept_codes.PRESENT if hand.recognition.positive else concept_codes.ABSENT,
    )
    yield probability_of(report, RECOGNITION_TASK, hand.recognition.probability, hand.recognition.threshold)
    if hand.staging is not None:
        stage = concept_codes.STAGE_CODES[hand.staging.stage]
        yield code(concept_codes.STAGE, stage, children=algorithm_of(report, STAGING_TASK))
    if hand.explanation is not None:
        yield from visual_explanation(hand, hand.explanation)
