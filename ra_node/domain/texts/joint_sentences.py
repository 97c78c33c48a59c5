"""Sentences about joints: their stages, and where the heat map is."""

from __future__ import annotations

from collections.abc import Sequence

from ra_node.domain.joints import JOINTS
from ra_node.domain.report import HandFinding, JointShare, JointStaging, explaining_task
from ra_node.domain.salient_joints import standing_out
from ra_node.domain.texts.report_sentences import hand_name
from ra_node.domain.texts.translations import Language, english
from ra_node.domain.texts.wording import full_sentence, share_words


def joint_name(name: str, language: Language | None = None) -> str:
    """A joint out of `JOINTS` as radiologists write it: "MCP 2"."""
    words = language or english()
    kind, _, finger = name.partition("_")
    return words.say(f"joint.{name}" if kind == "wrist" else f"joint.{kind}", finger=finger)


def attention_sentence(hand: HandFinding, language: Language | None = None, *, brief: bool = False) -> str:
    """Salient joints of the heat map, or ""; `brief` omits the explanation."""
    if hand.explanation is None or hand.recognition is None or hand.staging is None:
        return ""
    words = language or english()
    task = words.say(f"statement.task_{explaining_task(hand.recognition, hand.staging) or 'staging'}")
    found, none, unlocated = _BRIEF_ATTENTION if brief else _ATTENTION
    named = standing_out(hand.explanation)
    if not named:
        located = {"wrist_2", "mcp_3"} <= {joint.name for joint in hand.region.joints}
        return full_sentence(words.say(none if located else unlocated, task=task), words)
    joints = words.say("sign.list").join(joint_share_words(joint, words) for joint in named)
    return full_sentence(words.say(found, task=task, joints=joints), words)


def joint_sentence(hand: HandFinding, joint: JointStaging, language: Language | None = None) -> str:
    """One sentence about one joint: its hand, its stage, and the probability of disease."""
    words = language or english()
    probability, threshold = share_words(joint.probability, joint.threshold, words)
    said = words.say(
        "statement.joint",
        hand=hand_name(hand, words),
        joint=joint_name(joint.name, words),
        stage=joint.stage,
        probability=probability,
        threshold=threshold,
    )
    return full_sentence(said, words)


def joints_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """The stages of a hand's joints, highest first, or "" without any."""
    if not hand.joint_stages or hand.refusal is not None:
        return ""
    words = language or english()
    ill = diseased_joints(hand)
    count = len(hand.joint_stages) - len(ill)
    listed = words.say("sign.parts").join(_joints_of(stage, ill, words) for stage in _stages_of(ill))
    if not ill:
        said = words.say("statement.joints_none", count=count)
    elif count:
        said = words.say("statement.joints", joints=listed, count=count)
    else:
        said = words.say("statement.joints_all", joints=listed)
    seen = {joint.name for joint in hand.joint_stages}
    missing = [joint_name(name, words) for name in JOINTS if name not in seen]
    if missing:
        said += words.say("statement.joints_missing", joints=words.say("sign.list").join(missing))
    return full_sentence(said, words)


def _stages_of(joints: Sequence[JointStaging]) -> list[int]:
    return sorted({joint.stage for joint in joints}, reverse=True)


def _joints_of(stage: int, joints: Sequence[JointStaging], words: Language) -> str:
    names = [joint_name(joint.name, words) for joint in joints if joint.stage == stage]
    return words.say("statement.joint_stage", stage=stage, joints=words.say("sign.list").join(names))


def diseased_joints(hand: HandFinding) -> list[JointStaging]:
    """The joints of stage 1 and more, the highest stage first, then by probability of disease."""
    ill = [joint for joint in hand.joint_stages if joint.stage > 0]
    return sorted(ill, key=lambda joint: (-joint.stage, -joint.probability))


def joint_share_words(joint: JointShare, language: Language | None = None) -> str:
    """A joint and its share of the heat: "MCP 2 41 %"."""
    words = language or english()
    name, share = joint_name(joint.name, words), f"{100 * joint.share:.0f}"
    return words.say("overlay.joint_share", joint=name, share=share)


_ATTENTION = ("statement.attention", "statement.attention_none", "statement.attention_unlocated")


_BRIEF_ATTENTION = ("overlay.attention", "overlay.attention_none", "overlay.attention_unlocated")
