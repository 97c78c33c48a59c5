"""A withdrawn report begins with "Withdrawn on ..." in every rendering of its document."""

from __future__ import annotations

import html
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

from ra_node.dicom.plain_text import report_text
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.report import Withdrawal, WithdrawalCause
from ra_node.domain.texts.withdrawal import withdrawal_refusal
from tests.dicom.builders import PRODUCER, both_hands, image, image_uid, report, source

SAFETY = WithdrawalCause.PATIENT_SAFETY
REFUSAL = withdrawal_refusal(SAFETY, "sides exchanged", datetime(2026, 11, 30, tzinfo=UTC))
FIRST = "Withdrawn on 2026-11-30 for patient safety: sides exchanged."


def withdrawn(version=2):
    refused = replace(image(*both_hands()), hands=(), refusal=REFUSAL)
    made = report(refused, version=version)
    return replace(made, refusal=REFUSAL, predecessor_sr_uid="2.25.1", withdrawal=Withdrawal(SAFETY))


def test_the_first_line_of_the_text_report_says_so():
    assert report_text(withdrawn()).splitlines()[0] == FIRST


def test_a_plain_renderer_shows_it_before_every_other_content(tmp_path, require_tool):
    """dsr2html prints the context of the root in small type, then the summary as the first content item."""
    path, page = tmp_path / "sr.dcm", tmp_path / "page.html"
    build_sr(withdrawn(), {image_uid(1): source()}, PRODUCER).save_as(path, enforce_file_format=True)
    subprocess.run([require_tool("dsr2html"), path, page], check=True, capture_output=True)
    body = page.read_text(errors="replace").partition("</h1>")[2]
    without_context = re.sub(r"<small>.*?</small>", "", body, flags=re.DOTALL)
    shown = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_context)).split())
    assert shown.startswith(f"Summary: {FIRST} Version 2 of this report")
