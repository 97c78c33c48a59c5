"""Visual explanation in the group of a hand: one item for each joint.

The joint is the site of the explanation only: no finding of the report has a joint as its site, because model
attention is not a finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from ra_node.dicom import concept_codes
from ra_node.dicom.sr.content_item import Item, Relation, code, finding_site, text
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import Explanation, HandFinding, JointShare
from ra_node.domain.salient_joints import standing_out
from ra_node.domain.texts.joint_sentences import joint_share_words


def visual_explanation(hand: HandFinding, explanation: Explanation) -> Iterator[Item]:
    """One item for each joint that stands out, or one without a site where none does."""
    named = standing_out(explanation)
    yield from (_explanation([_site(joint, hand.side.side), _share(joint)]) for joint in named)
    if not named:
        yield _explanation([])


def _explanation(parts: list[Item]) -> Item:
    how = concept_codes.GRADIENT_WEIGHTED_CLASS_ACTIVATION
    return code(concept_codes.VISUAL_EXPLANATION, how, children=parts)


def _site(joint: JointShare, side: Side | None) -> Item:
    return finding_site(
        concept_codes.joint_site(joint.name), None if side is None else concept_codes.side_code(side)
    )


def _share(joint: JointShare) -> Item:
    """Share in words: a number with a unit would be read as a probability."""
    return text(concept_codes.COMMENT, f"{joint_share_words(joint)} of the heat map", Relation.HAS_PROPERTIES)
