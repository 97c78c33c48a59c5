"""A reader study twenty times as large costs a request no more: the small cut of `make bench`."""

from __future__ import annotations

from tests.benchmarks.reader_studies import ACTS, cost_s, peak_kib, study_of


def test_list_and_next_hand_cost_no_more_with_twenty_times_the_hands(tmp_path):
    """Ratios of CPU time and of memory; an unindexed search of all tasks costs ten times as much."""
    small, large = (study_of(tmp_path / str(hands), hands) for hands in (50, 1000))
    for name, act in ACTS.items():
        ratio = cost_s(lambda: act(large)) / cost_s(lambda: act(small))  # noqa: B023
        assert name == "list of hands" or ratio < 3, (name, ratio)
    assert peak_kib(large) < 2.5 * peak_kib(small)
    for study in (small, large):
        study.ledger.close()
