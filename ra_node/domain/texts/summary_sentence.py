"""The one sentence for a whole study."""

from __future__ import annotations

from collections.abc import Sequence

from ra_node.domain.caveats import Doubt, doubts_of
from ra_node.domain.refusal import OUTSIDE_DOMAIN, Reason
from ra_node.domain.report import HandFinding, HandVerdict, StudyReport
from ra_node.domain.texts.report_sentences import hand_name, outside_sentence, refusal_text
from ra_node.domain.texts.translations import Language, english
from ra_node.domain.texts.wording import full_sentence, spaced


def summary_sentence(report: StudyReport, language: Language | None = None) -> str:
    """One sentence for the whole study."""
    words = language or english()
    judged = [hand for hand in report.hands if hand.recognition is not None and hand.refusal is None]
    if judged:
        parts = [*_verdict_parts(judged, words), *_unanswered(report, words), *_doubt_parts(judged, words)]
        said = full_sentence(words.say("summary.parts", parts=words.say("sign.parts").join(parts)), words)
        outside = dict.fromkeys(outside_sentence(hand, words) for hand in judged)
        return spaced([*outside, said], words)
    if report.refusal is None:
        return full_sentence(words.say("summary.none"), words)
    if report.refusal.reason is Reason.WITHDRAWN:
        return refusal_text(report.refusal, words)
    key = "not_rated_because" if report.refusal.reason in OUTSIDE_DOMAIN else "none_because"
    return words.say(f"summary.{key}", reason=refusal_text(report.refusal, words))


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
