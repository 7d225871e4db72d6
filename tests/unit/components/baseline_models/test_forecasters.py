"""Baseline models of forecasts, on a series that a season explains."""

import numpy as np
import pytest

from components.baseline_models.estimators import Problem, Rows
from components.baseline_models.forecasters import estimators_of
from models.encoders.windows.encoding import window_port
from models.encoders.windows.linear import LinearEncoder

STEPS, HORIZON, SEASON = 56, 4, 8


@pytest.fixture(scope="module")
def problem():
    ports = [
        window_port("past", STEPS, LinearEncoder(), (10.0,), (2.0,)),
        window_port("known", HORIZON, LinearEncoder()),
    ]
    return Problem("forecast", 0, ports, 1, ports[0], SEASON, HORIZON)


@pytest.fixture(scope="module")
def splits():
    generator = np.random.default_rng(0)
    steps = np.arange(1200)
    weather = generator.normal(0, 1, len(steps))
    series = 10 + 3 * np.sin(2 * np.pi * steps / SEASON) + weather
    starts = np.arange(STEPS, len(steps) - HORIZON)

    def rows(part):
        past = (series[part[:, None] + np.arange(-STEPS, 0)] - 10.0) / 2.0
        ahead = part[:, None] + np.arange(HORIZON)
        columns = {"past": past[:, :, None], "known": weather[ahead][:, :, None]}
        return Rows({k: v.astype(np.float32) for k, v in columns.items()}, series[ahead])

    train, val, test = np.split(starts, [800, 950])
    return {"train": rows(train), "val": rows(val), "test": rows(test)}


@pytest.fixture(scope="module")
def errors(problem, splits):
    labels = splits["test"].labels
    return {
        name: float(np.abs(fit(problem, splits).scores["test"] - labels).mean())
        for name, fit in estimators_of(problem).items()
    }


def test_naive_forecasts_repeat_the_season(problem, splits):
    fits = estimators_of(problem)
    assert list(fits) == [
        "majority", "last_value", "seasonal_naive_8", "seasonal_naive_56", "linear", "trees",
    ]  # fmt: skip
    past = splits["test"].columns["past"][:, :, 0] * 2 + 10
    again = fits["seasonal_naive_8"](problem, splits).scores["test"]
    np.testing.assert_allclose(again, past[:, -SEASON : -SEASON + HORIZON], rtol=1e-5)
    last = fits["last_value"](problem, splits).scores["test"]
    np.testing.assert_allclose(last, np.repeat(past[:, -1:], HORIZON, axis=1), rtol=1e-5)


def test_a_history_as_long_as_the_horizon_is_the_past():
    """Its last steps tell where a series goes that swings on."""
    generator = np.random.default_rng(0)
    series = np.zeros(900)
    for step in range(2, len(series)):
        series[step] = 1.6 * series[step - 1] - 0.9 * series[step - 2] + generator.normal()
    port = window_port("past", HORIZON, LinearEncoder())
    starts = np.arange(HORIZON, len(series) - HORIZON)

    def rows(part):
        past = series[part[:, None] + np.arange(-HORIZON, 0)][:, :, None]
        return Rows({"past": past.astype(np.float32)}, series[part[:, None] + np.arange(HORIZON)])

    train, val, test = map(rows, np.split(starts, [600, 740]))
    splits = {"train": train, "val": val, "test": test}
    problem = Problem("forecast", 0, [port], 1, port, 0, HORIZON)
    fits = estimators_of(problem)
    first = {
        name: np.abs(fits[name](problem, splits).scores["test"] - test.labels)[:, 0].mean()
        for name in ("last_value", "linear", "trees")
    }
    assert first["linear"] < 0.6 * first["last_value"]
    assert first["trees"] < 0.7 * first["last_value"]


def test_what_is_known_ahead_is_used(errors):
    # Season and known column explain all; the season before alone has the noise of two days.
    assert errors["seasonal_naive_8"] < errors["majority"]
    assert errors["linear"] < 0.2
    assert errors["trees"] < 0.7 * errors["seasonal_naive_8"]


def test_a_refit_on_train_gives_the_forecasts_that_val_chose(problem, splits):
    for name, fit in estimators_of(problem).items():
        outcome = fit(problem, splits)
        again = outcome.refit(splits["train"]).predict(splits["test"].columns)
        error = np.abs(again - outcome.scores["test"]).mean()
        assert error < (0.1 if name == "trees" else 1e-4)  # trees draw other pairs


def test_a_refit_on_later_windows_learns_from_them(problem, splits):
    labels = splits["test"].labels
    for name in ("linear", "trees"):
        outcome = estimators_of(problem)[name](problem, splits)
        moved = Rows(splits["val"].columns, splits["val"].labels + 5)
        again = outcome.refit(moved).predict(splits["test"].columns)
        assert abs((again - labels).mean() - 5) < 0.5
