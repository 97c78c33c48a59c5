"""The overlay says the same of an earlier report as the structured report and the plain text."""

from __future__ import annotations

import pytest

from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.overlay.typesetting import pen_of
from ra_node.dicom.plain_text import report_text
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.prior_comparison import follow_up_sentences
from ra_node.domain.texts.translations import english
from tests.dicom.builders import PRODUCER, image_uid, report, source
from tests.dicom.overlay_cases import displays
from tests.dicom.test_follow_up_validators import FOLLOWED


def on_overlay(shown):
    layout = lay_out(shown, displays(shown), pen_of(english()))
    for words in layout.words:
        assert 0 <= words.box.x0 < words.box.x1 <= layout.width_px
        assert 0 <= words.box.y0 < words.box.y1 <= layout.height_px
    return " ".join(words.text for words in layout.words)


def in_report(shown):
    def texts(item):
        yield str(item.get("TextValue") or "")
        for child in item.get("ContentSequence", []):
            yield from texts(child)

    return " ".join(texts(build_sr(shown, {image_uid(1): source()}, PRODUCER)))


@pytest.mark.parametrize("say", [on_overlay, in_report, lambda shown: " ".join(report_text(shown).split())])
def test_every_rendering_says_the_same_sentences(say):
    sentences = follow_up_sentences(FOLLOWED)
    assert len(sentences) == 3
    said = say(FOLLOWED)
    assert [sentence for sentence in sentences if sentence not in said] == []


def test_without_an_earlier_report_the_overlay_has_no_room_for_one():
    assert "Earlier report" not in on_overlay(report(*FOLLOWED.images))
