"""kill -9 while a reader marks: a small cut of `python -m tests.torture.marks` (100 marks, 20 kills)."""

from __future__ import annotations

from tests.torture.marks import campaign


def test_no_mark_that_was_acknowledged_is_lost_and_none_is_doubled(tmp_path):
    verdict = campaign(tmp_path, hands=12, kills=2)
    assert (verdict.lost, verdict.doubled) == (0, 0)
    assert verdict.recorded == 12
