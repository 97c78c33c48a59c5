"""How far a report may be trusted: the state that overlay, SR and PDF put first."""

from __future__ import annotations

from enum import StrEnum

from ra_node.domain.caveats import Doubt, doubts_of
from ra_node.domain.report import HandFinding, StudyReport
from ra_node.domain.texts.report_sentences import doubt_words, hand_name, refusal_text, warnings_of
from ra_node.domain.texts.translations import Language
from ra_node.domain.texts.wording import told


class ReportTrust(StrEnum):
    """The state of a report, the least trustworthy first; the value is its key in the language files."""

    NO_RESULT = "no_result"
    """No hand has a result."""
    DOUBT = "doubt"
    """A hand with a result has a caveat of its own."""
    RESEARCH = "research"
    """The bundle or the site limits its use, e.g. "simulated lesions"."""
    RESULT = "result"


def trust_of(report: StudyReport) -> ReportTrust:
    """The state of a report."""
    rated = rated_hands(report)
    if not rated:
        return ReportTrust.NO_RESULT
    if any(doubts_of(hand) for hand in rated):
        return ReportTrust.DOUBT
    return ReportTrust.RESEARCH if warnings_of(report) else ReportTrust.RESULT


def rated_hands(report: StudyReport) -> list[HandFinding]:
    """The hands that were rated or found inconclusive."""
    return [hand for hand in report.hands if hand.recognition is not None and hand.refusal is None]


def trust_reasons(report: StudyReport, language: Language) -> list[str]:
    """Why: the refusal, or the caveats of each hand; then label and notice."""
    notices = [told(text, language) for text in warnings_of(report)]
    trust = trust_of(report)
    if trust is ReportTrust.NO_RESULT:
        return [
            language.say("trust.none") if report.refusal is None else refusal_text(report.refusal, language)
        ]
    return [*_doubts(report, language), *notices] or [language.say("trust.unverified")]


def _doubts(report: StudyReport, language: Language) -> list[str]:
    """Equal caveats of several hands are stated once."""
    found: dict[tuple[Doubt, ...], list[HandFinding]] = {}
    rated = rated_hands(report)
    for hand in rated:
        if doubts_of(hand):
            found.setdefault(doubts_of(hand), []).append(hand)
    said = []
    for doubts, hands in found.items():
        shown = [doubt for doubt in doubts if doubt is not Doubt.SIDE or Doubt.SIDE_CONFLICT not in doubts]
        words = doubt_words(shown, language)
        names = language.say("sign.list").join(dict.fromkeys(hand_name(hand, language) for hand in hands))
        if len(hands) == len(rated):
            said.append(words[:1].upper() + words[1:])
        else:
            said.append(language.say("trust.hand", hand=names, doubts=words))
    return said
