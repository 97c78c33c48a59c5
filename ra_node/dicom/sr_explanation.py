"""The part of a hand's group that tells where a network looked: one visual explanation a joint.

The joint is the site of the explanation and of nothing else: no finding of the report has a joint as its
site, since what moves a network is not what ails a joint.
"""

from __future__ import annotations

from collections.abc import Iterator

import highdicom.sr as hd
from highdicom.sr.value_types import ContentItem

from ra_node.dicom import codes
from ra_node.domain.attention import standing_out
from ra_node.domain.laterality import Side
from ra_node.domain.report import Explanation, HandFinding, JointShare
from ra_node.domain.wording import joint_share_words


def visual_explanation(hand: HandFinding, explanation: Explanation) -> Iterator[ContentItem]:
    """One item for each joint that stands out, or one without a site where none does."""
    named = standing_out(explanation)
    yield from (_explanation([_site(joint, hand.side.side), _share(joint)]) for joint in named)
    if not named:
        yield _explanation([])


def _explanation(parts: list[ContentItem]) -> ContentItem:
    item = hd.CodeContentItem(
        name=codes.VISUAL_EXPLANATION,
        value=codes.GRADIENT_WEIGHTED_CLASS_ACTIVATION,
        relationship_type=hd.RelationshipTypeValues.CONTAINS,
    )
    if parts:
        item.ContentSequence = hd.ContentSequence(parts)
    return item


def _site(joint: JointShare, side: Side | None) -> ContentItem:
    laterality = None if side is None else codes.side_code(side)
    return hd.FindingSite(codes.joint_site(joint.name), laterality=laterality)


def _share(joint: JointShare) -> ContentItem:
    """In words: as a number with a unit it would be read as a probability."""
    return hd.TextContentItem(
        name=codes.COMMENT,
        value=f"{joint_share_words(joint)} of the heat map",
        relationship_type=hd.RelationshipTypeValues.HAS_PROPERTIES,
    )
