"""The metrics of forecasts, against their definitions, and what is not measured."""

import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import ConfigError
from contracts.forecasts import flat_quantiles, forecast_answers
from contracts.results.forecast import ForecastFacts
from evidence.bootstrap import Draws
from evidence.clusters import clusters_of
from evidence.groups import whole
from evidence.horizon import forecast_evidence
from evidence.measures import Outcome, values
from evidence.prediction_table import (
    CANDIDATE,
    PredictionTable,
    read_predictions,
    write_predictions,
)
from models.tasks.forecast import symmetric_errors

LEVELS = (0.1, 0.5, 0.9)
FACTS = ForecastFacts(quantiles=LEVELS, seasonal_error=2.0)
LABELS = np.array([[1.0, 2.0], [3.0, 5.0]])
# By row: both steps of 0.1, of 0.5, of 0.9.
SCORES = np.array([[0.0, 1.0, 1.0, 3.0, 2.0, 4.0], [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]])


def value(metric, scores=SCORES, facts=FACTS):
    outcome = Outcome("forecast", LABELS, scores, None, facts)
    return float(values(metric, outcome, whole(2))[0])


def test_each_metric_is_what_its_definition_says():
    errors = np.array([[0.0, 1.0], [2.0, 4.0]])
    assert value("mae") == pytest.approx(errors.mean())
    assert value("rmse") == pytest.approx(np.sqrt((errors**2).mean()))
    assert value("mase") == pytest.approx(errors.mean() / 2.0)
    assert value("smape") == pytest.approx(np.mean([0, 2 / 5, 4 / 4, 8 / 6]))
    # Two of four values lie within the outermost levels.
    assert value("coverage") == pytest.approx(0.5)
    pinball = 0.0
    for place, level in enumerate(LEVELS):
        error = LABELS - SCORES[:, 2 * place : 2 * place + 2]
        pinball += np.maximum(level * error, (level - 1) * error).sum() / 3
    assert value("weighted_quantile_loss") == pytest.approx(2 * pinball / LABELS.sum())


def test_the_symmetric_error_knows_no_unit():
    points = SCORES[:, 2:4]
    small = symmetric_errors(LABELS * 1e-9, points * 1e-9)
    np.testing.assert_allclose(small, symmetric_errors(LABELS, points))
    np.testing.assert_array_equal(symmetric_errors(np.zeros([1, 2]), np.array([[0.0, 1.0]])), [1])


def test_points_alone_cover_nothing_and_stand_for_each_level():
    points = SCORES[:, 2:4]
    assert np.isnan(value("coverage", points))
    at_each_level = value("weighted_quantile_loss", np.tile(points, len(LEVELS)))
    assert value("weighted_quantile_loss", points) == pytest.approx(at_each_level)
    # Of levels that lie evenly around the median, this is the absolute error.
    assert at_each_level == pytest.approx(np.abs(points - LABELS).sum() / LABELS.sum())
    assert value("mae", points) == value("mae")
    assert np.isnan(value("mase", points, ForecastFacts(quantiles=LEVELS)))


def test_forecasts_are_read_back_as_they_were_written(tmp_path):
    keys = pa.table({"day": [0, 1]})
    table = PredictionTable("forecast", (), {}, LABELS, keys, {"candidate": SCORES}, forecast=FACTS)
    write_predictions(tmp_path, table)
    again = read_predictions(tmp_path)
    np.testing.assert_array_equal(again.labels, LABELS)
    np.testing.assert_array_equal(again.scores["candidate"], SCORES)
    assert again.forecast == FACTS


def test_what_a_client_sees_goes_back_to_what_the_network_gave():
    answers = forecast_answers(SCORES, horizon=2)
    np.testing.assert_array_equal(answers["predictions"], SCORES[:, 2:4])
    assert answers["quantiles"].shape == (2, 2, 3)
    np.testing.assert_array_equal(answers["quantiles"][0, 1], [1.0, 3.0, 4.0])
    np.testing.assert_array_equal(flat_quantiles(answers["quantiles"]), SCORES)


def test_blocks_of_time_are_drawn_together():
    keys = pa.table({"day": [100, 101, 107, 108, 120], "name": list("abcde")})
    np.testing.assert_array_equal(clusters_of(keys, ["day"], 8.0), [0, 0, 0, 1, 2])
    with pytest.raises(ConfigError, match="the rows lie in one block of time") as error:
        clusters_of(keys, ["day"], 21.0)
    assert error.value.received == "21 of 'day' a block, and rows from 100 to 120"
    with pytest.raises(ConfigError, match="no number that blocks of time"):
        clusters_of(keys, ["name"], 8.0)


def test_steps_of_the_horizon_are_measured_apart_and_windows_are_shown():
    rows, horizon = 101, 3
    labels = np.zeros([rows, horizon])
    # At step k, the error of row r is r * k; the interval is as wide as the error of row 50.
    errors = np.arange(rows)[:, None] * np.arange(1, horizon + 1)
    width = 50 * np.arange(1, horizon + 1)
    scores = np.concatenate([errors - width, errors, errors + width], axis=1)
    table = PredictionTable(
        task="forecast",
        classes=(),
        thresholds={},
        labels=labels,
        keys=pa.table(
            {
                "hour": np.arange(rows) % 24,
                "past": [[1.0, 2.0]] * rows,
                "time": [f"at {row}" for row in range(rows)],
                "day": np.zeros(rows),
            }
        ),
        scores={CANDIDATE: scores.astype(np.float32)},
        forecast=FACTS,
    )
    rivals = {"majority": labels, "last_value": np.ones([rows, horizon])}
    draws = Draws(rows, 200, 1)
    measured = forecast_evidence(table, rivals, 0.95, draws, ["hour", "past", "other"])
    assert [step.step for step in measured.steps] == [1, 2, 3]
    assert [step.mae for step in measured.steps] == [50.0, 100.0, 150.0]
    assert [round(step.coverage, 3) for step in measured.steps] == [round(51 / 101, 3)] * 3
    assert all(step.low < step.mae < step.high for step in measured.steps)
    assert measured.baselines == {"last_value": [1.0, 1.0, 1.0]}
    assert [example.row for example in measured.examples] == [10, 50, 90, 100]
    assert measured.examples[1].keys == {"time": "at 50", "hour": 50 % 24}
    assert measured.examples[1].levels == [[0, 0, 0], [50, 100, 150], [100, 200, 300]]


def test_other_tasks_have_no_horizon():
    table = PredictionTable(
        "regression", (), {}, np.zeros(3), pa.table({"a": [1, 2, 3]}), {CANDIDATE: np.zeros(3)}
    )
    assert forecast_evidence(table, {}, 0.95, Draws(3, 10, 1)) is None
