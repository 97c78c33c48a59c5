# ruff: noqa: RUF001 - Chinese sentences end in Chinese punctuation
"""Sentences that every rendering of a report shares, in the requested language, else in English.

The texts are in the language files; this module selects and orders them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ra_node.domain.caveats import Doubt, doubts_of
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import (
    OUTSIDE_DOMAIN,
    STAGES,
    BundleIdentity,
    HandFinding,
    HandVerdict,
    JointShare,
    JointStaging,
    Model,
    Reason,
    Recognition,
    Refusal,
    Staging,
    StudyReport,
    explaining_task,
    whole_percents,
)
from ra_node.domain.salient_joints import standing_out
from ra_node.domain.texts.translations import Language, english


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
        return _sentence(words.say(f"hand.unjudged{unnamed}", hand=name), words)
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
    return _spaced([outside_sentence(hand, words), _sentence(result, words)], words)


def outside_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """Caveats that precede the result of a hand, or ""."""
    if hand.refusal is not None:
        return ""
    words = language or english()
    return _spaced([refusal_text(one, words) for one in hand.outside], words)


def research_sentence(hand: HandFinding, language: Language | None = None) -> str:
    """Raw output for a hand that is not rated, or "" without `research_output = true`."""
    output = hand.research_output
    if output is None:
        return ""
    words = language or english()
    stage = words.say("statement.research_stage", stage=output.staging.stage) if output.staging else ""
    probability, threshold = percent_words(output.recognition, words)
    said = {"probability": probability, "threshold": threshold, "stage": stage}
    return _sentence(words.say("statement.research_output", **said), words)


def summary_sentence(report: StudyReport, language: Language | None = None) -> str:
    """One sentence for the whole study."""
    words = language or english()
    judged = [hand for hand in report.hands if hand.recognition is not None and hand.refusal is None]
    if judged:
        parts = [*_verdict_parts(judged, words), *_unanswered(report, words), *_doubt_parts(judged, words)]
        said = _sentence(words.say("summary.parts", parts=words.say("sign.parts").join(parts)), words)
        outside = dict.fromkeys(outside_sentence(hand, words) for hand in judged)
        return _spaced([*outside, said], words)
    if report.refusal is None:
        return _sentence(words.say("summary.none"), words)
    if report.refusal.reason is Reason.WITHDRAWN:
        return refusal_text(report.refusal, words)
    key = "not_rated_because" if report.refusal.reason in OUTSIDE_DOMAIN else "none_because"
    return words.say(f"summary.{key}", reason=refusal_text(report.refusal, words))


def presence(recognition: Recognition, language: Language | None = None) -> str:
    """The word for the result of recognition, the same in every rendering."""
    words = language or english()
    return words.say("hand.present" if recognition.positive else "hand.absent")


def percent_words(recognition: Recognition, language: Language) -> tuple[str, str]:
    """Probability and operating point as "87 %", "< 1 %" or "> 99 %": no measurement supports more digits.

    Further digits are given where rounding would reverse the comparison.
    """
    return share_words(recognition.probability, recognition.threshold, language)


def share_words(share: float, operating_point: float, language: Language) -> tuple[str, str]:
    """As `percent_words`, of any probability and its operating point."""
    probability, threshold = whole_percents(share, operating_point)
    return _percent_text(probability, language), _percent_text(threshold, language)


def stage_share_words(share: float, language: Language) -> str:
    """The probability of one stage in whole percent."""
    return share_words(share, -1.0, language)[0]


def _percent_text(value: str, language: Language) -> str:
    if value in ("<1", ">99"):
        return language.say("sign.below_one" if value == "<1" else "sign.above_99")
    return language.say("sign.percent", value=value)


def told(text: str, language: Language | None = None) -> str:
    """An English sentence of a report in another language where it has a pattern for it, else unchanged."""
    return (language or english()).told(text) or text


def refusal_text(refusal: Refusal, language: Language | None = None) -> str:
    """The reason of a refusal as a sentence; the text of its kind where the language lacks the sentence."""
    words = language or english()
    kind = _sentence(words.say(f"reason.{refusal.reason}"), words)
    said = words.told(refusal.text)
    return kind if said is None else _sentence(said, words)


def joint_name(name: str, language: Language | None = None) -> str:
    """A joint out of `JOINTS` as radiologists write it: "MCP 2"."""
    words = language or english()
    kind, _, finger = name.partition("_")
    return words.say(f"joint.{name}" if kind == "wrist" else f"joint.{kind}", finger=finger)


def caveat(report: StudyReport, language: Language | None = None) -> str:
    """Statements that accompany every report: unverified, research label, notice of the bundle."""
    words = language or english()
    labels = warnings_of(report)
    result = any(hand.recognition is not None and hand.refusal is None for hand in report.hands)
    first = words.say("statement.unverified" if result else "statement.unverified_refusal")
    said = [first, *(_sentence(told(label, words), words) for label in labels)]
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
    return _sentence(words.say("sign.parts").join(filter(None, (said, marker_words(hand, words)))), words)


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
    return _sentence(words.say("statement.distribution", stages=words.say("sign.list").join(shares)), words)


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
        return _sentence(words.say(none if located else unlocated, task=task), words)
    joints = words.say("sign.list").join(joint_share_words(joint, words) for joint in named)
    return _sentence(words.say(found, task=task, joints=joints), words)


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
    return _sentence(said, words)


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
    return _sentence(said, words)


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


def model_sentence(model: Model, language: Language | None = None) -> str:
    """Model of each task with its figures on held-out hands: AUC, accuracy of stages, calibration."""
    words = language or english()
    who = {
        "task": words.texts.get(f"statement.task_{model.task}", model.task.capitalize()),
        "name": model.name,
        "version": model.version,
        "architecture": model.architecture,
    }
    if model.auc is None:
        return _sentence(words.say("statement.model", **who), words)
    area, low, high = (f"{value:.3f}" for value in model.auc)
    hands = told(model.measured_on, words)
    said = words.say("statement.model_auc", **who, hands=hands, area=area, low=low, high=high)
    for key in ("exact_stage", "within_one_stage", "calibration_error"):
        figure = getattr(model, key)
        if figure is not None:
            share, least, most = (f"{100 * value:.0f}" for value in figure)
            said += words.say(f"statement.model_{key}", share=share, low=least, high=most)
    return _sentence(said, words)


def used_models(report: StudyReport) -> list[Model]:
    """The models that took part in a result of the report; figures of another one say nothing about it."""
    hands = [hand for hand in report.hands if hand.recognition is not None and hand.refusal is None]
    joints = any(hand.joint_stages for hand in hands)
    return [model for model in report.bundle.models if hands and (joints or model.task != "joints")]


def heat_map_sentence(report: StudyReport, language: Language | None = None) -> str:
    """Measured figure of the heat maps, or "" without heat maps or figure."""
    check = report.bundle.heat_map
    if check is None or not any(hand.explanation is not None for hand in report.hands):
        return ""
    words = language or english()
    on = told(check.measured_on, words)
    said = words.say("statement.heat_map", measured_on=on, found=check.found, hands=check.hands)
    return _sentence(said, words)


def bundle_sentence(bundle: BundleIdentity, language: Language | None = None) -> str:
    """Name, version and manifest hash of the bundle."""
    words = language or english()
    said = words.say("statement.bundle", name=bundle.name, version=bundle.version, sha256=bundle.sha256)
    return _sentence(said, words)


_ATTENTION = ("statement.attention", "statement.attention_none", "statement.attention_unlocated")
_BRIEF_ATTENTION = ("overlay.attention", "overlay.attention_none", "overlay.attention_unlocated")

_SIDES = {Side.RIGHT: "right", Side.LEFT: "left", None: "undetermined"}


def _sentence(text: str, words: Language) -> str:
    stripped = text.strip()
    return (
        stripped
        if stripped.endswith((".", "!", "?", "。", "！", "？"))
        else stripped + words.say("sign.stop")
    )


def _verdict_parts(judged: Sequence[HandFinding], words: Language) -> list[str]:
    """How many hands are present, absent and inconclusive; "both" and "all" where they agree."""
    of = {verdict: [hand for hand in judged if hand.verdict is verdict] for verdict in HandVerdict}
    present, absent, open_hands = (
        of[verdict] for verdict in (HandVerdict.PRESENT, HandVerdict.ABSENT, HandVerdict.INCONCLUSIVE)
    )
    if len(judged) == 1 and open_hands:
        return [words.say("summary.one_inconclusive", hands=_listed(open_hands, words))]
    if len(judged) in (len(present), len(absent)):
        how_many = {1: "one", 2: "both"}.get(len(judged), "all")
        key = f"summary.{how_many}_{'present' if present else 'absent'}"
        return [words.say(key, count=len(judged), hands=_listed(judged, words))]
    parts = []
    if present:
        said = {"present": len(present), "count": len(judged), "hands": _listed(present, words)}
        parts.append(words.say("summary.some_present", **said))
    if open_hands:
        parts.append(words.say("summary.others_inconclusive", hands=_listed(open_hands, words)))
    if absent:
        parts.append(words.say("summary.others_absent", hands=_listed(absent, words)))
    return parts


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _spaced(sentences: Iterable[str], words: Language) -> str:
    return words.say("sign.space").join(sentence for sentence in sentences if sentence)


def _listed(hands: Sequence[HandFinding], words: Language) -> str:
    return words.say("sign.list").join(_with_stage(hand, words) for hand in hands)


def _with_stage(hand: HandFinding, words: Language) -> str:
    name = _lower(hand_name(hand, words))
    return (
        words.say("summary.hand_stage", hand=name, stage=hand.staging.stage)
        if hand.rated and hand.staging is not None
        else name
    )


def _unanswered(report: StudyReport, words: Language) -> list[str]:
    verdicts = [hand.verdict for hand in report.hands]
    counted = (
        (verdicts.count(HandVerdict.NOT_RATED), "hand", "not_rated"),
        (verdicts.count(HandVerdict.NOT_ANALYSED), "hand", "unanswered"),
        (sum(image.refusal is not None for image in report.images), "image", "unanswered"),
    )
    return [
        words.say(f"summary.{f'one_{noun}' if count == 1 else f'{noun}s'}_{how}", count=count)
        for count, noun, how in counted
        if count
    ]


def _doubt_parts(judged: Sequence[HandFinding], words: Language) -> list[str]:
    hands = [hand for hand in judged if Doubt.SIDE_CONFLICT in doubts_of(hand)]
    return [words.say("summary.conflicts", hands=_listed(hands, words))] if hands else []
