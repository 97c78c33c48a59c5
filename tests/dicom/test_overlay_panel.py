"""What a panel says about one hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.dicom.overlay_face import OWN, drawable
from ra_node.dicom.overlay_panel import PANEL_PX, hand_panel, resized
from ra_node.dicom.overlay_parts import RULE, Block, Frame
from ra_node.domain.laterality import Side
from ra_node.domain.report import Recognition, Staging, percents
from ra_node.domain.wording import hand_name, hand_sentence, presence
from tests.dicom.builders import hand, refused_hand
from tests.dicom.overlay_cases import ENGLISH


def said(panel: Block) -> str:
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
    shown, against = percents(recognition)
    assert f"RA: {presence(recognition).upper()} {shown} %" in text
    assert f"operating point {against} %" in text
    assert f"STAGE {staging.stage}" in text
    for fact in (presence(recognition), f"{shown} %", f"{against} %", f"stage {staging.stage}"):
        assert fact in sentence
    assert ("FINDINGS DISAGREE" in text) == judged.disagreement == ("disagree" in sentence)


@settings(max_examples=40, deadline=None)
@given(shares)
def test_the_bars_are_the_distribution(probabilities):
    """Six bars, each as high as its share of the track and with its value and stage in print."""
    judged = hand()
    judged = type(judged)(judged.region, judged.side, "", Recognition(0.9, 0.5), Staging(probabilities))
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
    assert f"NOT ANALYSED {refused.refusal.text}" in text
    assert "RA:" not in text
    assert "STAGE" not in text
    assert "%" not in text


def test_a_disagreement_is_said_with_both_findings():
    """The reader sees what contradicts what."""
    text = said(hand_panel(hand(0.2, 4), PANEL_PX, ENGLISH))
    assert "Recognition: absent; staging: stage 4." in text


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
    assert isinstance(taller.parts[0], Frame)
    assert taller.parts[0].box.height_px == taller.height_px


def test_text_is_spelt_with_what_the_font_has():
    """Accents fall away and typographic signs become plain, instead of an empty box."""
    typeset = "Größe \N{GREATER-THAN OR EQUAL TO} 5 \N{EN DASH} \N{LEFT DOUBLE QUOTATION MARK}é\N{SNOWMAN}"
    assert drawable(OWN, typeset) == 'Grosse >= 5 - "e?'
