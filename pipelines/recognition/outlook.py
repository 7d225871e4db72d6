"""How far baseline models get on a table, before there is a network: the base of `kelp advise`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from components.baseline_models.estimators import ESTIMATORS, Outcome, Problem, Rows
from components.baseline_models.learning_curve import CurveSetting, learning_curve
from components.baseline_models.raw_rows import raw_rows
from components.data_gate.audit.label_errors import check_label_errors
from components.data_gate.audit.outcome import AuditData
from components.data_gate.config import AuditSpec, LabelErrorsSpec
from components.example_gen.config import SplitSpec
from contracts.errors import DataError
from contracts.results.advice import Advice
from contracts.results.audit import LabelErrors
from contracts.results.evidence import BaselineEvidence, Interval
from evidence.advice import Compared, Figures, advise_before_run
from evidence.compare import draws_of, main_metric, overall_metrics
from evidence.config import EvaluationSpec
from evidence.evidence import against_baselines
from evidence.measures import outcome_of, sign_of
from evidence.prediction_table import CANDIDATE, PredictionTable
from models.features.spec import FeaturesSpec

MOST_ROWS = 60_000
_MOST_LABEL_ROWS = 40_000
_TRAIN, _VAL = 0.6, 0.2
_FEWEST_ROWS = 50
_JUDGED = "trees"


@dataclass(frozen=True)
class Outlook:
    """What the baseline models reach, and the advice.

    Attributes:
      advice: The advice.
      figures: What it was drawn from.
      rows: How many rows each split of the table has.
    """

    advice: Advice
    figures: Figures
    rows: dict[str, int]


def outlook_of(
    table: pa.Table, problem: FeaturesSpec, seed: int = 0, total_rows: int = 0
) -> Outlook:
    """Fits the baseline models on a random part of a table and judges them by another.

    Args:
      table: The features' columns and the label, in canonical form.
      problem: The task, the label and the features.
      seed: Of whatever is drawn.
      total_rows: About how many rows the data have, where the table is a part of them.

    Raises:
      DataError: The table has too few rows to hold some of them out.
    """
    if table.num_rows < _FEWEST_ROWS:
        raise DataError(
            "the data have too few rows to hold some of them out",
            expected=f"at least {_FEWEST_ROWS} rows",
            received=f"{table.num_rows} rows",
            fix="bring more rows",
        )
    generator = np.random.default_rng(seed)
    order = generator.permutation(table.num_rows)[:MOST_ROWS]
    drawn = table.take(pa.array(order))
    spec, data = EvaluationSpec(), _audit_data(drawn, problem)
    ports, rows = raw_rows(drawn, data.features(), problem, data.contents())
    splits = _split(rows)
    about = Problem(problem.task, len(problem.label_classes()), ports, seed)
    outcomes = {name: fit(about, splits) for name, fit in ESTIMATORS.items()}
    metric = about.kind.main_metric
    # The main metrics of the tasks need no threshold.
    setting = CurveSetting(metric, spec.confidence, lambda *_: None)
    figures = replace(
        _compared(problem, splits, outcomes, spec, seed),
        curve=learning_curve(about, splits, outcomes, setting),
        wrong_labels=_wrong_labels(data),
        all_rows=total_rows if total_rows > drawn.num_rows else None,
    )
    sizes = {name: len(split.labels) for name, split in splits.items()}
    return Outlook(advise_before_run(figures), figures, sizes)


def _audit_data(table: pa.Table, problem: FeaturesSpec) -> AuditData:
    settings = AuditSpec(label_errors=LabelErrorsSpec(rows=_MOST_LABEL_ROWS, suspects=0))
    return AuditData({"train": table}, problem, settings, SplitSpec())


def _split(rows: Rows) -> dict[str, Rows]:
    """Train, val and test of rows that are in random order."""
    total = len(rows.labels)
    ends = [0, round(_TRAIN * total), round((_TRAIN + _VAL) * total), total]
    return {
        name: Rows(
            {key: values[start:end] for key, values in rows.columns.items()},
            rows.labels[start:end],
        )
        for name, start, end in zip(("train", "val", "test"), ends[:-1], ends[1:], strict=True)
    }


def _compared(
    problem: FeaturesSpec,
    splits: dict[str, Rows],
    outcomes: dict[str, Outcome],
    spec: EvaluationSpec,
    seed: int,
) -> Figures:
    """The trees beside the other models, with paired intervals."""
    test = splits["test"].labels
    scores = {name: outcome.scores["test"] for name, outcome in outcomes.items()}
    table = PredictionTable(
        task=problem.task,
        classes=problem.label_classes(),
        thresholds={},
        labels=test,
        keys=pa.table({}),
        scores={CANDIDATE: scores[_JUDGED], **scores},
    )
    draws = draws_of(table, spec, seed, ())
    metric = main_metric(table, spec)
    own = overall_metrics(
        {CANDIDATE: outcome_of(table, CANDIDATE)}, CANDIDATE, None, spec.confidence, draws
    )
    rivals = {
        entry.name: entry for entry in against_baselines(table, ["majority", "linear"], spec, draws)
    }
    return Figures(
        metric=metric,
        higher_is_better=sign_of(problem.task, metric) > 0,
        equal_within=spec.baselines.equal_within,
        train_rows=len(splits["train"].labels),
        test_rows=len(test),
        judged=own[metric].candidate,
        constant=_rival(rivals["majority"]),
        linear=_rival(rivals["linear"]),
    )


def _rival(entry: BaselineEvidence) -> Compared:
    return Compared(entry.metric, entry.difference)


def _wrong_labels(data: AuditData) -> Interval | None:
    found = LabelErrors.model_validate(check_label_errors(data).details["label_errors"])
    if found.share is None:
        return None
    return Interval(value=found.share, low=found.low, high=found.high)
