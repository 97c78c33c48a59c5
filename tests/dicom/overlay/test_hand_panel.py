"""What a panel says about one hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.dicom.overlay.elements import AMBER, RULE, SKY, ElementGroup, Rectangle
from ra_node.dicom.overlay.fonts import OWN, drawable
from ra_node.dicom.overlay.hand_panel import PANEL_PX, hand_panel, is_dashed, resized
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandVerdict, Recognition, Staging
from ra_node.domain.texts.report_sentences import hand_name, hand_sentence, presence
from ra_node.domain.texts.translations import english
from ra_node.domain.texts.wording import percent_words
from tests.dicom.builders import AGE_UNKNOWN, hand, refused_hand
from tests.dicom.overlay_cases import ENGLISH


def said(panel: ElementGroup) -> str:
    return " ".join(words.text for words in panel.words)


chance = st.floats(0, 1)
shares = st.lists(st.floats(0.001, 1), min_size=6, max_size=6).map(
    lambda raw: tuple(value / sum(raw) for value in raw)
)


@settings(max_examples=40, deadline=None)
@given(chance, chance, shares)
def test_a_panel_says_what_the_report_says(probability, threshold, probabilities):
    """Answer, probability, operating point and stage are those of the sentence that goes into the SR."""
    judged = hand()
    recognition, staging = Recognition(probability, threshold), Staging(probabilities)
    judged = type(judged)(judged.region, judged.side, "", recognition, staging)
    text, sentence = said(hand_panel(judged, PANEL_PX, ENGLISH)), hand_sentence(judged)
    shown, against = percent_words(recognition, english())
    assert f"threshold {against}" in text
    if judged.rated:
        assert f"RA: {presence(recognition).upper()} {shown}" in text
        assert f"STAGE {staging.stage}" in text
    else:
        assert "RA: INCONCLUSIVE" in text
        assert f"Probability of RA {shown} (threshold" in text
        assert f"but stage {staging.stage}" in text
    for fact in (shown, against):
        assert fact in sentence
    if judged.rated:
        assert presence(recognition) in sentence
        assert f"stage {staging.stage}" in sentence
    inconclusive = judged.verdict is HandVerdict.INCONCLUSIVE
    assert ("INCONCLUSIVE" in text) == inconclusive == ("inconclusive" in sentence)


@settings(max_examples=40, deadline=None)
@given(shares)
def test_the_bars_are_the_distribution(probabilities):
    """Six bars, each as high as its share of the track and with its value and stage in print."""
    judged = hand()
    staging = Staging(probabilities)
    recognition = Recognition(0.9 if staging.stage else 0.1, 0.5)
    judged = type(judged)(judged.region, judged.side, "", recognition, staging)
    panel = hand_panel(judged, PANEL_PX, ENGLISH)
    tracks = [frame.box for frame in panel.frames if frame.line == RULE and frame.fill is None]
    bars = [
        next(f.box for f in panel.frames if f.fill and f.box.y1 == t.y1 and f.box.x0 == t.x0) for t in tracks
    ]
    assert len(tracks) == 6
    for track, bar, share in zip(tracks, bars, probabilities, strict=True):
        assert bar.height_px == max(round(share * track.height_px), 3)
    printed = [words.text for words in panel.words]
    for stage, share in enumerate(probabilities):
        assert str(stage) in printed
        assert ("<1" if share < 0.005 else f"{100 * share:.0f}") in printed


@pytest.mark.parametrize(
    ("side", "place", "title"),
    [
        (Side.RIGHT, "image left", "RIGHT HAND"),
        (Side.LEFT, "image left", "LEFT HAND"),
        (None, "image left", "HAND (IMAGE LEFT), SIDE UNDETERMINED"),
        (None, "", "HAND, SIDE UNDETERMINED"),
    ],
)
def test_the_side_is_in_words_with_its_evidence(side, place, title):
    """The side is never a letter alone and never invented."""
    judged = hand(which=side, place=place)
    text = said(hand_panel(judged, PANEL_PX, ENGLISH))
    assert text.startswith(f"{title} {judged.side.evidence}")
    assert title == hand_name(judged).upper()


def test_a_refused_hand_has_its_reason_and_no_result():
    """No number that could be taken for a result stands in the panel of a refused hand."""
    refused = refused_hand()
    text = said(hand_panel(refused, PANEL_PX, ENGLISH))
    assert f"NOT RATED {refused.refusal.text}" in text
    assert "RA:" not in text
    assert "STAGE" not in text
    assert "%" not in text


@pytest.mark.parametrize(("probability", "stage", "found"), [(0.2, 4, "20 %"), (0.999, 0, "> 99 %")])
def test_a_contradiction_is_one_verdict_and_no_bar_is_filled(probability, stage, found):
    """The reader sees what contradicts what, and nothing that looks like a result."""
    panel = hand_panel(hand(probability, stage), PANEL_PX, ENGLISH)
    text = said(panel)
    assert "RA: INCONCLUSIVE" in text
    assert f"Probability of RA {found} (threshold 50 %), but stage {stage} is likeliest." in text
    assert "RA: SUSPECTED" not in text
    assert "RA: NOT SEEN" not in text
    assert "STAGE" not in text
    assert {frame.fill for frame in panel.frames} & {AMBER, SKY} == set()


@pytest.mark.parametrize("reason", [Reason.OUTSIDE_AGES, Reason.OTHER_VIEW, Reason.HAND_INCOMPLETE])
def test_a_hand_outside_the_domain_has_its_reason_and_no_figure(reason):
    panel = hand_panel(refused_hand(refusal=Refusal(reason, "Why it is so.")), PANEL_PX, ENGLISH)
    text = said(panel)
    assert "NOT RATED Why it is so." in text
    assert not any(word in text for word in ("RA:", "STAGE", "%", "ANALYSED"))
    assert {frame.fill for frame in panel.frames} & {AMBER, SKY} == set()


def test_what_must_be_known_first_stands_over_the_result():
    """An unknown age is read before the bar, and the lines are dashed."""
    told = replace(hand(), outside=(AGE_UNKNOWN,))
    text = said(hand_panel(told, PANEL_PX, ENGLISH))
    assert text.index("Age unknown") < text.index("RA: SUSPECTED")
    assert is_dashed(told)
    assert not is_dashed(hand())


def test_a_panel_grows_only_by_its_chart():
    """Spare height makes the bars taller, not the panel emptier; there is a limit to it."""
    least, grown, most = (hand_panel(hand(), PANEL_PX, ENGLISH, height) for height in (0, 525, 5000))
    assert least.height_px < grown.height_px == 525
    assert grown.height_px < most.height_px < 900
    assert said(least) == said(grown) == said(most)


def test_neighbouring_panels_end_at_one_line():
    """The frame is drawn down, the words stay where they are."""
    panel = hand_panel(hand(), PANEL_PX, ENGLISH)
    taller = resized(panel, panel.height_px + 100)
    assert taller.height_px == panel.height_px + 100
    assert taller.words == panel.words
    assert isinstance(taller.parts[0], Rectangle)
    assert taller.parts[0].box.height_px == taller.height_px


def test_text_is_spelt_with_what_the_font_has():
    """Accents fall away and typographic signs become plain, instead of an empty box."""
    typeset = "Größe \N{GREATER-THAN OR EQUAL TO} 5 \N{EN DASH} \N{LEFT DOUBLE QUOTATION MARK}é\N{SNOWMAN}"
    assert drawable(OWN, typeset) == 'Grosse >= 5 - "e?'
