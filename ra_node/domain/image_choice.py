"""Chooses the image of each hand, so that a study has one result per hand.

Other images stay in the report with the reason. Nothing is chosen by its result: the choice depends on how
images were acquired and never on the output of the networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ra_node.domain.laterality.chirality import better_view
from ra_node.domain.laterality.evidence import Pairing, Side
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, ImageFinding

_SAME_PICTURE = "The same image was sent twice; the other instance is used."
_SECOND_VIEW = "Second view of the same hand, not rated: the other view in this image is used."
_OBLIQUE = "Oblique view beside a PA view, perhaps of the same hand, not rated: the PA view is used."
_RAW = (
    "Raw detector image: expected a radiograph FOR PRESENTATION, found one FOR PROCESSING;"
    " the study has the presented one, which is used."
)
_RAW_ALONE = (
    "Read from the raw detector image (FOR PROCESSING), as the study has no other of this hand;"
    " the networks were trained on presented images."
)


def one_result_a_hand(images: Sequence[ImageFinding]) -> tuple[ImageFinding, ...]:
    """Refuse images and hands for which another image is used, each with its reason."""
    found = _without_raw(_without_copies(list(images)))
    for side in Side:
        found = _without_repeats(found, side)
    return tuple(found)


def used_view(hands: Sequence[HandFinding], exposures: Sequence[int]) -> int:
    """Index of the exposure of one hand that is used: the plainest PA view of those that can be rated."""
    able = [n for n in exposures if hands[n].refusal is None] or list(exposures)
    able = [n for n in able if not hands[n].outside] or able
    return able[better_view([hands[n].region for n in able])]


def one_view_a_hand(hands: Sequence[HandFinding], used: Sequence[int]) -> tuple[HandFinding, ...]:
    """Refuse the views of one image that are not used, as another view of the same hand is."""
    second = Refusal(Reason.SECOND_VIEW, _SECOND_VIEW)
    return tuple(hand if n in used else _refused_hand(hand, second) for n, hand in enumerate(hands))


def without_oblique(hands: Sequence[HandFinding], pairing: Pairing) -> tuple[HandFinding, ...]:
    """Refuse the oblique view beside a PA view whose thumb points the other way: it may be mirrored."""
    if pairing is not Pairing.VIEWS_DIFFER:
        return tuple(hands)
    plain = better_view([hand.region for hand in hands])
    oblique = Refusal(Reason.SECOND_VIEW, _OBLIQUE)
    return tuple(hand if n == plain else _refused_hand(hand, oblique) for n, hand in enumerate(hands))


def _without_copies(images: list[ImageFinding]) -> list[ImageFinding]:
    """Keep one of the images with the same pixels: the presented one, then the first by number and UID."""
    kept: dict[str, ImageFinding] = {}
    for image in sorted(_readable(images), key=_first):
        kept.setdefault(image.facts.pixels or image.sop_instance_uid, image)
    stays = {image.sop_instance_uid for image in kept.values()}
    copy = Refusal(Reason.SAME_PICTURE, _SAME_PICTURE)
    return [
        image if image.refusal is not None or image.sop_instance_uid in stays else _refused(image, copy)
        for image in images
    ]


def _without_raw(images: list[ImageFinding]) -> list[ImageFinding]:
    """Keep a raw image only where no presented one shows its hands."""
    presented = [image for image in _readable(images) if not image.facts.for_processing and _judged(image)]
    sides = {hand.side.side for image in presented for hand in image.hands}
    result = []
    for image in images:
        if image.refusal is not None or not image.facts.for_processing:
            result.append(image)
        elif presented and {hand.side.side for hand in image.hands if hand.side.side} <= sides:
            result.append(_refused(image, Refusal(Reason.NOT_FOR_PRESENTATION, _RAW)))
        else:
            result.append(_remarked(image, _RAW_ALONE))
    return result


def _without_repeats(images: list[ImageFinding], side: Side) -> list[ImageFinding]:
    """Keep the last image of a side: one repeats an exposure when the first was not good enough."""
    showing = [image for image in images if any(_shows(hand, side) for hand in image.hands)]
    if len(showing) < 2:
        return images
    last = max(showing, key=_last)
    name = "right" if side is Side.RIGHT else "left"
    why = f"Another image of the {name} hand, taken later or better suited, is used."
    note = (
        f"{len(showing)} images are said to show the {name} hand; this one is used."
        " If one of them shows the other hand, its side in the header is wrong."
    )
    result = []
    for image in images:
        if image is last:
            result.append(_remarked(image, note))
        elif image in showing:
            result.append(_without(image, side, Refusal(Reason.OTHER_IMAGE_COUNTS, why)))
        else:
            result.append(image)
    return result


def _readable(images: Sequence[ImageFinding]) -> list[ImageFinding]:
    return [image for image in images if image.refusal is None]


def _judged(image: ImageFinding) -> bool:
    return any(hand.refusal is None for hand in image.hands)


def _shows(hand: HandFinding, side: Side) -> bool:
    return hand.side.side is side and hand.refusal is None


def _first(image: ImageFinding) -> tuple[bool, int, str]:
    return image.facts.for_processing, image.facts.instance_number, image.sop_instance_uid


def _last(image: ImageFinding) -> tuple[bool, bool, bool, str, int, str]:
    facts = image.facts
    known = not any(hand.outside for hand in image.hands)
    made = (facts.acquired_at, facts.instance_number, image.sop_instance_uid)
    return not facts.for_processing, known, facts.frontal, *made


def _refused(image: ImageFinding, refusal: Refusal) -> ImageFinding:
    return replace(image, hands=(), refusal=refusal)


def _without(image: ImageFinding, side: Side, refusal: Refusal) -> ImageFinding:
    hands = (_refused_hand(hand, refusal) if _shows(hand, side) else hand for hand in image.hands)
    return replace(image, hands=tuple(hands))


def _refused_hand(hand: HandFinding, refusal: Refusal) -> HandFinding:
    """A refused hand has no result; an earlier refusal is more specific and is kept."""
    return replace(
        hand,
        recognition=None,
        staging=None,
        explanation=None,
        joint_stages=(),
        refusal=hand.refusal or refusal,
    )


def _remarked(image: ImageFinding, remark: str) -> ImageFinding:
    return image if remark in image.remarks else replace(image, remarks=(*image.remarks, remark))
