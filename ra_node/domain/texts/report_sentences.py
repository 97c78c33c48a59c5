"""Sentences that every rendering of a report shares, in the requested language, else in English.

The texts are in the language files; this module selects and orders them.
"""

from __future__ import annotations

from collections.abc import Iterable

from ra_node.domain.caveats import Doubt, doubts_of
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.refusal import Refusal
from ra_node.domain.report import (
    STAGES,
    HandFinding,
    HandVerdict,
    Recognition,
    Staging,
    StudyReport,
)
from ra_node.domain.texts.translations import Language, english
from ra_node.domain.texts.wording import full_sentence, percent_words, spaced, stage_share_words, told


def hand_name(hand: HandFinding, language: Language | None = None) -> str:
    """The hand in words: "Right hand", "Left hand", or "Hand (image left), side undetermined"."""
    words = language or english()
    if hand.side.side is not None:
        return words.say("hand.right" if hand.side.side is Side.RIGHT else "hand.left")
    if hand.place:
        return words.say("hand.undetermined_at", place=told(hand.place, words))
    return words.say("hand.undetermined")


def hand_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """One sentence with the side and the result or the refusal, for SR, overlay and text."""
    words = language or english()
    name = hand_name(hand, words)
    unnamed = "_undetermined" if hand.side.side is None else ""
    if hand.refusal is not None:
        key = "not_rated" if hand.verdict is HandVerdict.NOT_RATED else "refused"
        return words.say(f"hand.{key}{unnamed}", hand=name, reason=refusal_text(hand.refusal, words))
    if hand.recognition is None:
        return full_sentence(words.say(f"hand.unjudged{unnamed}", hand=name), words)
    probability, threshold = percent_words(hand.recognition, words)
    said = {
        "hand": name,
        "presence": presence(hand.recognition, words),
        "probability": probability,
        "threshold": threshold,
    }
    if hand.joints_contradict and hand.staging is not None:
        stages = {"stage": hand.staging.stage, "joint_stage": hand.joint_stage}
        result = words.say("hand.inconclusive_joints", **said, **stages)
    elif hand.verdict is HandVerdict.INCONCLUSIVE and hand.staging is not None:
        result = words.say("hand.inconclusive", **said, stage=hand.staging.stage)
    else:
        stage = "" if hand.staging is None else words.say("hand.result_stage", stage=hand.staging.stage)
        result = words.say("hand.result", **said) + stage
    return spaced([outside_sentence(hand, words), full_sentence(result, words)], words)


def outside_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """Caveats that precede the result of a hand, or ""."""
    if hand.refusal is not None:
        return ""
    words = language or english()
    return spaced([refusal_text(one, words) for one in hand.outside], words)


def research_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """Raw output for a hand that is not rated, or "" without `research_output = true`."""
    output = hand.research_output
    if output is None:
        return ""
    words = language or english()
    stage = words.say("statement.research_stage", stage=output.staging.stage) if output.staging else ""
    probability, threshold = percent_words(output.recognition, words)
    said = {"probability": probability, "threshold": threshold, "stage": stage}
    return full_sentence(words.say("statement.research_output", **said), words)


def presence(recognition: Recognition, language: Language | None = None) -> str:
    """The word for the result of recognition, the same in every rendering."""
    words = language or english()
    return words.say("hand.present" if recognition.positive else "hand.absent")


def refusal_text(refusal: Refusal, language: Language | None = None) -> str:
    """The reason of a refusal as a sentence; the text of its kind where the language lacks the sentence."""
    words = language or english()
    kind = full_sentence(words.say(f"reason.{refusal.reason}"), words)
    said = words.told(refusal.text)
    return kind if said is None else full_sentence(said, words)


def caveat(report: StudyReport, language: Language | None = None) -> str:
    """Statements that accompany every report: unverified, research label, notice of the bundle."""
    words = language or english()
    labels = warnings_of(report)
    result = any(hand.recognition is not None and hand.refusal is None for hand in report.hands)
    first = words.say("statement.unverified" if result else "statement.unverified_refusal")
    said = [first, *(full_sentence(told(label, words), words) for label in labels)]
    if not any("medical device" in label.lower() for label in labels):
        said.append(words.say("statement.no_device"))
    return words.say("sign.space").join(said)


def warnings_of(report: StudyReport) -> list[str]:
    """The research label and the bundle's notice in English; the label only where the notice lacks it."""
    label, notice = report.research_label.strip(), report.bundle.notice.strip()
    repeated = label.rstrip(".").casefold() in notice.casefold()
    return [text for text in ("" if repeated else label, notice) if text]


def side_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """The side of a hand and the evidence behind it, conflicts first."""
    words = language or english()
    key = "statement.side" + ("_conflict" if hand.side.conflict else "") + ("_at" if hand.place else "")
    said = words.say(
        key,
        side=words.say(f"statement.side_{_SIDES[hand.side.side]}"),
        place=told(hand.place, words),
        evidence=told(hand.side.evidence, words) or words.say("statement.side_no_evidence"),
    )
    return full_sentence(words.say("sign.parts").join(filter(None, (said, marker_words(hand, words)))), words)


def marker_words(hand: HandFinding, language: Language | None = None) -> str:
    """Source of the side (header, convention, lead marker), and if one was read; "" without a side."""
    if hand.side.side is None:
        return ""
    words, by_header = language or english(), hand.side.by_header
    if hand.side.marker:
        key = "statement.marker_agrees" if by_header else "statement.marker_alone"
        return words.say(key, letter=hand.side.marker)
    return words.say("statement.marker_header" if by_header else "statement.marker_convention")


def distribution_sentence(staging: Staging, language: Language | None = None) -> str:
    """The probability of every stage, in percent."""
    words = language or english()
    shares = (
        words.say(
            "statement.distribution_stage",
            stage=stage,
            share=stage_share_words(staging.probabilities[stage], words),
        )
        for stage in STAGES
    )
    return full_sentence(
        words.say("statement.distribution", stages=words.say("sign.list").join(shares)), words
    )


def doubt_words(doubts: Iterable[Doubt], language: Language | None = None) -> str:
    """Caveats of a result as a list."""
    words = language or english()
    return words.say("sign.list").join(words.say(f"doubt.{doubt}") for doubt in doubts)


def doubt_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """Caveats that no other sentence of the hand states, or ""."""
    words = language or english()
    doubts = [
        doubt
        for doubt in doubts_of(hand)
        if doubt in (Doubt.OUTLINE, Doubt.NEAR, Doubt.JOINTS, Doubt.NO_JOINT)
    ]
    return words.say("overlay.doubtful", doubts=doubt_words(doubts, words)) if doubts else ""


_SIDES = {Side.RIGHT: "right", Side.LEFT: "left", None: "undetermined"}
