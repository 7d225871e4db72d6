"""The learning curve of a baseline model: fitted again on shares of train."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from components.baseline_models.estimators import Outcome, Problem, Rows, Splits
from components.baseline_models.forecasters import estimators_of
from contracts.arrays import Array
from contracts.results.advice import LearningCurve
from contracts.results.forecast import ForecastFacts
from evidence import measures
from evidence.bootstrap import Draws, bootstrap
from evidence.groups import whole
from evidence.learning_curve import MeasuredCurve, extrapolate

Threshold = Callable[[Outcome, Array], "float | None"]

SHARES = (0.12, 0.25, 0.5, 1.0)
RIVALS = ("linear", "trees")
# The shares are those of a sample where train has more; its whole is then one point more.
_MOST_ROWS = 40_000
_MOST_VAL_ROWS = 10_000
_MOST_TEST_ROWS = 20_000
_FEWEST_ROWS = 20
# Of few rows, which ones were drawn matters: small shares are drawn several times.
_FEW_ROWS = 5_000
_DRAWS = {0.12: 4, 0.25: 3, 0.5: 2}
_RESAMPLES = 200
# Of the processor: how many rows are fitted on must not depend on what else is running.
_BUDGET_S = 15.0


@dataclass(frozen=True)
class CurveSetting:
    """How a learning curve is measured.

    Attributes:
      metric: The main metric.
      confidence: Of intervals and band.
      threshold: Gives the operating threshold of a fitted model by the labels of val; binary
        only.
      forecast: What metrics of forecasts are measured by; None for other tasks.
    """

    metric: str
    confidence: float
    threshold: Threshold
    forecast: ForecastFacts | None = None


# The time of the processor counts, also that in which threads wait for one another.
@threadpool_limits.wrap(limits=1)
def learning_curve(
    problem: Problem, splits: Splits, outcomes: Mapping[str, Outcome], setting: CurveSetting
) -> LearningCurve | None:
    """Measures the curve of the model that is better on val; None with too few rows.

    Args:
      problem: What is predicted, and from what.
      splits: Rows of train, val and test.
      outcomes: By name, the models fitted on all of train.
      setting: How to measure.
    """
    started, cpu_started = time.monotonic(), time.process_time()
    train_rows = len(splits["train"].labels)
    name = _better_on_val(problem, splits["val"], outcomes, setting)
    generator = np.random.default_rng(problem.seed)
    held = {
        "val": _draw(splits["val"], _MOST_VAL_ROWS, generator),
        "test": _draw(splits["test"], _MOST_TEST_ROWS, generator),
    }
    fits: dict[int, list[measures.Outcome]] = {}
    for rows in _counts(train_rows):
        if fits and _runs_over(fits, rows, time.process_time() - cpu_started):
            break
        fits[rows] = []
        for _ in range(_draws(rows, train_rows)):
            train = _draw(splits["train"], rows, generator)
            fitted = estimators_of(problem)[name](problem, {"train": train, **held})
            threshold = setting.threshold(fitted, held["val"].labels)
            fits[rows].append(_said(problem, fitted, held["test"], threshold, setting.forecast))
    threshold = setting.threshold(outcomes[name], splits["val"].labels)
    fits[train_rows] = [_said(problem, outcomes[name], held["test"], threshold, setting.forecast)]
    measured = _measured(problem, name, fits, setting, generator)
    seconds = time.monotonic() - started
    return extrapolate(measured, train_rows, setting.confidence, seconds)


def _said(
    problem: Problem,
    outcome: Outcome,
    rows: Rows,
    threshold: float | None,
    forecast: ForecastFacts | None,
) -> measures.Outcome:
    """What a fitted model says of some rows, for the metrics of `evidence`."""
    scores = outcome.predict(rows.columns)
    return measures.Outcome(problem.task, rows.labels, scores, threshold, forecast)


def _better_on_val(
    problem: Problem, val: Rows, outcomes: Mapping[str, Outcome], setting: CurveSetting
) -> str:
    sign = measures.sign_of(problem.task, setting.metric)

    def value(name: str) -> float:
        outcome = outcomes[name]
        threshold = setting.threshold(outcome, val.labels)
        said = _said(problem, outcome, val, threshold, setting.forecast)
        figure = sign * float(measures.values(setting.metric, said, whole(len(val.labels)))[0])
        return figure if np.isfinite(figure) else -np.inf

    return max(RIVALS, key=value)


def _counts(train_rows: int) -> list[int]:
    """The numbers of rows to fit on, all of train left out."""
    most = min(train_rows, _MOST_ROWS)
    counts = (round(share * most) for share in SHARES)
    return [rows for rows in counts if _FEWEST_ROWS <= rows < train_rows]


def _draws(rows: int, train_rows: int) -> int:
    if train_rows > _FEW_ROWS:
        return 1
    return next((draws for share, draws in _DRAWS.items() if rows <= share * train_rows + 1), 1)


def _runs_over(fits: Mapping[int, list[measures.Outcome]], rows: int, elapsed: float) -> bool:
    """Whether a fit of more rows would take longer than is left, if time grows with rows."""
    done = sum(count * len(outcomes) for count, outcomes in fits.items())
    return elapsed * (1 + rows / done) > _BUDGET_S


def _draw(rows: Rows, most: int, generator: np.random.Generator) -> Rows:
    if len(rows.labels) <= most:
        return rows
    kept = np.sort(generator.choice(len(rows.labels), most, replace=False))
    return Rows({name: values[kept] for name, values in rows.columns.items()}, rows.labels[kept])


def _measured(
    problem: Problem,
    name: str,
    fits: Mapping[int, list[measures.Outcome]],
    setting: CurveSetting,
    generator: np.random.Generator,
) -> MeasuredCurve:
    """The metric of every fit on the same resamples of test; each takes one fit of a size."""
    test_rows = len(next(iter(fits.values()))[0].labels)
    ready = {
        (rows, place): measures.measure(setting.metric, outcome, whole(test_rows))
        for rows, outcomes in fits.items()
        for place, outcome in enumerate(outcomes)
    }
    ones = np.ones((1, test_rows), np.uint8)
    values = {key: float(one.at(ones)[0, 0]) for key, one in ready.items()}
    drawn = bootstrap(ready, Draws(test_rows, _RESAMPLES, problem.seed))
    resampled = []
    for rows, outcomes in fits.items():
        taken = generator.integers(0, len(outcomes), _RESAMPLES)
        own = np.stack([drawn[rows, place][:, 0] for place in range(len(outcomes))], axis=1)
        resampled.append(own[np.arange(_RESAMPLES), taken])
    return MeasuredCurve(
        model=name,
        metric=setting.metric,
        higher_is_better=measures.sign_of(problem.task, setting.metric) > 0,
        test_rows=test_rows,
        rows=list(fits),
        values=np.array(
            [
                np.mean([values[rows, place] for place in range(len(outcomes))])
                for rows, outcomes in fits.items()
            ]
        ),
        resampled=np.stack(resampled, axis=1),
    )
