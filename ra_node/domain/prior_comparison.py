"""Comparison with the patient's earlier report: same hand only, with both dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ra_node.domain.report import EarlierHand, HandFinding, StudyReport
from ra_node.domain.texts.joint_sentences import joint_name
from ra_node.domain.texts.report_sentences import hand_name, presence
from ra_node.domain.texts.translations import Language, english
from ra_node.domain.texts.wording import percent_words


@dataclass(frozen=True, slots=True)
class Change:
    """One hand in both reports."""

    before: EarlierHand
    now: HandFinding


def comparable_hands(hands: Iterable[HandFinding]) -> tuple[EarlierHand, ...]:
    """Hands that a later report may be compared with.

    Each is rated, its side is known without conflict, and it is the only one of its side: an inconclusive
    hand of the same side excludes it.
    """
    judged = [hand for hand in hands if hand.refusal is None and hand.recognition is not None]
    told = [
        EarlierHand(
            hand.side.side,
            hand.recognition,
            hand.staging.stage if hand.staging else None,
            tuple((joint.name, joint.stage) for joint in hand.joint_stages),
        )
        for hand in judged
        if hand.side.side is not None
        and not hand.side.conflict
        and hand.rated
        and hand.recognition is not None
    ]
    count = Counter(hand.side.side for hand in judged)
    return tuple(hand for hand in told if count[hand.side] == 1)


def changes(report: StudyReport) -> tuple[Change, ...]:
    """Hands that are rated in this report and its prior, in the order of this report."""
    if report.prior is None:
        return ()
    before = {hand.side: hand for hand in report.prior.hands}
    now = {hand.side for hand in comparable_hands(report.hands)}
    return tuple(
        Change(before[hand.side.side], hand)
        for hand in report.hands
        if hand.side.side in now and hand.side.side in before and hand.rated
    )


def across_bundles(report: StudyReport) -> bool:
    """Whether the earlier report was made by another bundle, so that a change may come from the bundle."""
    return report.prior is not None and report.prior.bundle_sha256 != report.bundle.sha256


def follow_up_sentences(report: StudyReport, language: Language | None = None) -> list[str]:
    """Sentences about the earlier report and each hand's change with both dates; empty without one."""
    words = language or english()
    return [said + words.say("sign.stop") for said in _sentences(report, words)]


def _sentences(report: StudyReport, words: Language) -> Iterator[str]:
    prior = report.prior
    if prior is None:
        return
    yield words.say("followup.prior", date=prior.study_date)
    found = changes(report)
    if found and across_bundles(report):
        yield words.say("followup.other_bundle", bundle=prior.bundle)
    for change in found:
        yield words.say(
            "followup.change",
            hand=hand_name(change.now, words),
            earlier=prior.study_date,
            date=report.study_date,
            parts=words.say("sign.parts").join(_parts(change, words)),
        )
    if not found:
        yield words.say("followup.none")


def _parts(change: Change, words: Language) -> Iterator[str]:
    before, now = change.before.recognition, change.now.recognition
    assert now is not None
    if before.positive != now.positive:
        yield words.say("followup.presence", before=presence(before, words), now=presence(now, words))
    yield words.say(
        "followup.probability",
        before=percent_words(before, words)[0],
        now=percent_words(now, words)[0],
        difference=f"{round(100 * now.probability) - round(100 * before.probability):+d}",
    )
    if change.before.stage is not None and change.now.staging is not None:
        stage = change.now.staging.stage
        yield words.say(
            "followup.stage",
            before=change.before.stage,
            now=stage,
            difference=f"{stage - change.before.stage:+d}" if stage != change.before.stage else "0",
        )
    yield from _joint_parts(change, words)


def _joint_parts(change: Change, words: Language) -> Iterator[str]:
    """The joints that both reports have and whose stage is another one, or that there is none."""
    now = {joint.name: joint.stage for joint in change.now.joint_stages}
    both = [(name, before, now[name]) for name, before in change.before.joints if name in now]
    changed = [(name, before, after) for name, before, after in both if before != after]
    for name, before, after in changed:
        yield words.say("followup.joint", joint=joint_name(name, words), before=before, now=after)
    if both and not changed:
        yield words.say("followup.joints_same", count=len(both))
