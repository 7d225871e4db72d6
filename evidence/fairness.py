"""How differently a binary model treats the groups of sensitive columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.results.evidence import RATES, FairnessEvidence, GroupRates, Interval, RateGap
from evidence.bootstrap import Draws, bootstrap, interval
from evidence.config import EvaluationSpec
from evidence.groups import Groups, groups_by_code
from evidence.measures import Outcome
from evidence.moments import Figure, Moments, ratio
from evidence.prediction_table import PredictionTable
from evidence.slicing import code, column_of
from models.tasks import find_task

# A rate of fewer rows than this is no rate.
_MIN_ROWS = 20
_FEW_NUMBERS = 12
_GROUPS = 100


def fairness(
    table: PredictionTable, outcome: Outcome, spec: EvaluationSpec, draws: Draws
) -> list[FairnessEvidence]:
    """Gives the rates of each group and the largest gap of each rate, with intervals.

    The gap is between the groups whose rates are highest and lowest on the rows at hand;
    its interval is that of the difference between these two. Of many groups, the largest
    are reported. A task that is not binary has no rates: nobody is selected there.
    """
    if find_task(table.task).form != "binary" or not table.rows:
        return []
    return [_column(table, outcome, name, spec, draws) for name in spec.fairness.sensitive]


def _column(
    table: PredictionTable, outcome: Outcome, name: str, spec: EvaluationSpec, draws: Draws
) -> FairnessEvidence:
    coding = code(column_of(table.keys, name, "evaluation.fairness.sensitive"), _FEW_NUMBERS)
    groups, codes = _largest(coding.codes)
    figures = _figures(outcome)
    moments = {rate: Moments(figure, groups) for rate, figure in figures.items()}
    ones = np.ones((1, table.rows), np.uint8)
    known = {rate: _enough(figures[rate], groups, spec.min_slice_rows) for rate in RATES}
    points = {rate: np.where(known[rate], moments[rate].at(ones)[0], np.nan) for rate in RATES}
    drawn = bootstrap(moments, draws)
    values = [coding.values[code] for code in codes]
    few = f"fewer than {spec.min_slice_rows} rows"

    def rate_of(rate: str, place: int) -> Interval:
        if not known[rate][place]:
            return Interval()
        return interval(points[rate][place], drawn[rate][:, place], spec.confidence)

    rates = [
        GroupRates(
            value=values[place],
            rows=int(rows),
            insufficient=few if rows < spec.min_slice_rows else None,
            **{rate: rate_of(rate, place) for rate in RATES},
        )
        for place, rows in enumerate(groups.sizes)
    ]
    gaps = {
        rate: _gap(points[rate], drawn[rate], values, spec.confidence).model_copy(
            update={"bound": getattr(spec.fairness, rate)}
        )
        for rate in RATES
    }
    return FairnessEvidence(column=name, groups=rates, gaps=gaps)


def _largest(codes: Array) -> tuple[Groups, Array]:
    counts = np.bincount(codes)
    least = np.sort(counts)[::-1][min(_GROUPS, len(counts)) - 1]
    return groups_by_code(codes, int(least))


def _figures(outcome: Outcome) -> dict[str, Figure]:
    called, positive = outcome.decisions, outcome.labels == 1
    return {
        "selection_rate": ratio(called, np.ones(len(called))),
        "true_positive_rate": ratio(called * positive, positive),
        "false_positive_rate": ratio(called * ~positive, ~positive),
    }


def _enough(figure: Figure, groups: Groups, min_rows: int) -> Array:
    total = groups.sums(figure.columns[groups.rows])[:, 1]
    return (total >= _MIN_ROWS) & (groups.sizes >= min_rows)


def _gap(points: Array, drawn: Array, values: list[Any], confidence: float) -> RateGap:
    if np.isfinite(points).sum() < 2:
        return RateGap()
    high, low = int(np.nanargmax(points)), int(np.nanargmin(points))
    apart = interval(points[high] - points[low], drawn[:, high] - drawn[:, low], confidence)
    return RateGap(**dict(apart), between=(values[high], values[low]))
