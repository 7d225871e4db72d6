"""Which model a candidate is compared with."""

from __future__ import annotations

from components.evaluator.baseline import baseline_id


def test_nothing_blessed_means_no_baseline() -> None:
    assert baseline_id(7, []) is None


def test_a_new_candidate_meets_the_last_blessed() -> None:
    assert baseline_id(9, [(3, None), (7, 3)]) == 7


def test_an_unchanged_run_meets_the_baseline_it_was_blessed_against() -> None:
    assert baseline_id(7, [(3, None), (7, 3)]) == 3
    assert baseline_id(3, [(3, None)]) is None


def test_going_back_to_an_earlier_model_meets_the_last_blessed() -> None:
    assert baseline_id(3, [(3, None), (7, 3)]) == 7
