"""Advice from planted figures: one verdict each, with its figures in the paragraph."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.results.advice import CurvePoint, LearningCurve
from contracts.results.evidence import Interval
from evidence.advice import (
    Compared,
    Figures,
    SmallerModel,
    advise_after_run,
    advise_before_run,
)


def _at(value: float, width: float = 0.005) -> Interval:
    return Interval(value=value, low=value - width, high=value + width)


def _rival(metric: float, gain: float, width: float = 0.005) -> Compared:
    return Compared(_at(metric), _at(gain, width))


def _curve(gain: Interval, last: float = 0.85) -> LearningCurve:
    points = [CurvePoint(rows=1200, metric=_at(0.8)), CurvePoint(rows=10_000, metric=_at(last))]
    return LearningCurve(
        model="trees",
        metric="roc_auc",
        higher_is_better=True,
        test_rows=4000,
        train_rows=10_000,
        points=points,
        law=points,
        doubled=_at(last + (gain.value or 0.0)),
        gain=gain,
        seconds=1.0,
    )


# A network of 0.85, clearly better than a constant guess, the linear model and the trees.
WINNER = Figures(
    metric="roc_auc",
    higher_is_better=True,
    equal_within=0.02,
    train_rows=10_000,
    test_rows=4000,
    judged=_at(0.85),
    constant=_rival(0.5, 0.35),
    linear=_rival(0.80, 0.05),
    trees=_rival(0.83, 0.02),
)
SMALLER = SmallerModel("distilled_int8", _at(-0.0004, 0.0008), 0.35, is_other_network=True)


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "network", "Use the network. On 4,000 rows of test its roc_auc is 0.8500 [0.84"),
        ({"trees": _rival(0.87, -0.02)}, "trees", "worse by 0.0200 [0.0150, 0.0250] than the tre"),
        ({"linear": _rival(0.85, 0.001)}, "linear", "network: {kind: linear}"),
        ({"linear": _rival(0.87, -0.02)}, "linear", "Use a linear network"),
        (
            {"linear": _rival(0.9, -0.05), "trees": _rival(0.87, -0.02)},
            "linear",
            "Use a linear network",
        ),
        (
            {"linear": _rival(0.86, -0.01), "trees": _rival(0.9, -0.05)},
            "trees",
            "embedding: piecewise",
        ),
        ({"trees": _rival(0.87, -0.02), "is_piecewise": True}, "trees", "try more network.members"),
        (
            {"trees": _rival(0.87, -0.02), "can_be_taught": True},
            "trees",
            "try training.teacher: {}",
        ),
        (
            {"linear": _rival(0.84, 0.01, 0.08), "trees": _rival(0.84, 0.01, 0.08)},
            "more_data",
            "evaluation.cross_validation",
        ),
        ({"wrong_labels": _at(0.28, 0.04)}, "better_labels", "28.0% of the labels are wrong (24"),
        ({"train_rows": 120, "judged": _at(0.85, 0.1)}, "more_data", "too few rows to tell"),
        ({"train_rows": 120, "judged": _at(0.85, 0.01)}, "network", "Use the network"),
        ({"smaller": SMALLER}, "smaller_model", "distilled_int8 has 35% of the bytes"),
        (
            {"constant": _rival(0.5, 0.001), "linear": _rival(0.5, 0.0)},
            "better_features",
            "none is shown to beat a constant guess",
        ),
        ({"is_linear": True, "linear": _rival(0.85, 0.0)}, "linear", "Keep the linear network."),
        ({"is_linear": True, "linear": _rival(0.9, -0.05)}, "linear", "network, and train it long"),
        (
            {"is_linear": True, "is_piecewise": True, "trees": _rival(0.87, -0.02)},
            "trees",
            "try hidden layers, such as network: {kind: mlp, linear_path: true}",
        ),
    ],
)
def test_the_verdict_of_a_run(changes, verdict, words) -> None:
    advice = advise_after_run(replace(WINNER, **changes))
    assert advice.verdict == verdict
    assert words in advice.paragraph


def test_a_winner_against_the_linear_model_alone_is_used() -> None:
    figures = replace(WINNER, trees=_rival(0.84, 0.01, 0.08))
    assert advise_after_run(figures).verdict == "network"


def test_an_error_is_equal_by_its_share() -> None:
    worse = replace(WINNER, metric="rmse", higher_is_better=False, linear=_rival(500.0, 2.0, 3.0))
    assert advise_after_run(worse).verdict == "linear"
    assert advise_after_run(replace(worse, linear=_rival(5.0, 2.0, 3.0))).verdict == "more_data"


def test_a_smaller_form_of_the_same_network_is_worth_a_word() -> None:
    quantised = replace(SMALLER, name="int8", is_other_network=False)
    advice = advise_after_run(replace(WINNER, smaller=quantised))
    assert (advice.verdict, advice.also) == ("network", ["smaller_model"])
    assert "variant int8" in advice.paragraph


@pytest.mark.parametrize(
    ("gain", "also", "words"),
    [
        (_at(0.02), ["more_data"], "a gain of +0.0200 [+0.0150, +0.0250]: more rows are worth"),
        (_at(0.001, 0.002), [], "more rows alone would not help"),
        (_at(0.01, 0.02), [], "which may be chance"),
        (_at(0.004, 0.002), [], "too little to be worth collecting"),
    ],
)
def test_the_learning_curve_says_what_more_rows_are_worth(gain, also, words) -> None:
    advice = advise_after_run(replace(WINNER, curve=_curve(gain)))
    assert (advice.verdict, advice.also) == ("network", also)
    assert words in advice.paragraph
    assert "twice the rows of train, 20,000" in advice.paragraph


def test_rows_that_are_there_already_need_no_collecting() -> None:
    figures = replace(WINNER, curve=_curve(_at(0.02)), all_rows=110_000)
    paragraph = advise_before_run(figures).paragraph
    assert "the data have about 110,000 already" in paragraph
    assert "collecting" not in paragraph


def test_nothing_learned_yet_and_a_rising_curve_ask_for_more_data() -> None:
    flat = {"constant": _rival(0.5, 0.001), "linear": _rival(0.5, 0.0)}
    advice = advise_after_run(replace(WINNER, **flat, curve=_curve(_at(0.03))))
    assert advice.verdict == "more_data"


@pytest.mark.parametrize(
    ("gain", "verdict", "words"),
    [
        (_at(0.08), "trees", "embedding: piecewise"),
        (_at(-0.01), "linear", "A linear network is enough"),
        (_at(0.0, 0.01), "linear", "network: {kind: linear}"),
        (_at(0.0, 0.1), "more_data", "too few rows to tell"),
        (_at(0.01, 0.015), "more_data", "bring more rows"),
    ],
)
def test_the_verdict_before_a_run(gain, verdict, words) -> None:
    figures = replace(WINNER, trees=None, linear=Compared(_at(0.8), gain))
    advice = advise_before_run(figures)
    assert advice.verdict == verdict
    assert words in advice.paragraph
    assert "\n" not in advice.paragraph


def test_suspect_labels_are_worth_a_word_beside_another_verdict() -> None:
    advice = advise_after_run(replace(WINNER, wrong_labels=_at(0.04, 0.01)))
    assert (advice.verdict, advice.also) == ("network", ["better_labels"])
    assert "data.audit.label_errors" in advice.paragraph
