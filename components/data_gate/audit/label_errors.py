"""Labels that the rest of the data speak against: how many, and which first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from components.data_gate.audit.cheap_model import (
    Columns,
    additive_terms,
    columns_of,
    linear_out_of_fold,
    out_of_fold,
    standardised,
)
from components.data_gate.audit.columns import Floats, Ints, labels_of
from components.data_gate.audit.label_noise import LabelNoise, Rates, Terms, fit_label_noise
from components.data_gate.audit.outcome import AuditData
from contracts.arrays import Array
from contracts.results.checked import Checked, Part, judged
from models.content.kind import Content
from models.tasks import find_task

_Z = 1.96
_FEWEST_ROWS = 100
_FEWEST_OF_CLASS = 20
_SHOWN = 8
# Additive terms are only worth their weights where there are rows enough to fit them.
_ROWS_PER_TERM = 50
# The weight of a standardised term is hardly ever above 2 or below -2. A stronger prior
# flattens the curve, so that wrong labels pass for rows that are hard to predict.
_RIDGE = 1.0
_RIDGE_OF_SCORES = 0.01
# Around the penalty of an embedding: many wrong labels want a stronger one than few do.
_STRENGTHS = (1.0, 0.1, 10.0)
_WIDEST = 0.2
# Half the 95 % quantile of chi-squared with one degree of freedom.
_BETTER = 1.92
# Half the 99 % quantile of chi-squared with one degree of freedom.
_BEYOND_OVERLAP = 3.32
# Up to so many rows times classes, and values of features, the folds are cut anew so often.
_FEW_LABELS = 10_000
_FEW_VALUES = 100_000
_REPEATS = 4
_FAR = 6.0
# Standard errors, by Mann and Whitney's test.
_BEYOND_CHANCE = 3.0
_MAD_TO_SIGMA = 1.4826
_TOO_VAGUE = "the features say too little of it"
_OWN_VALUES = "a forecast learns values of the series, whose spikes and stuck sensors are counted"


@dataclass(frozen=True)
class Share:
    """The estimated share of wrong labels, and its 95 % interval; None where unknown."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class _Predicted:
    """What models say of rows that they did not see.

    Attributes:
      values: `[rows, classes]` probabilities; `[rows]` values where there are no classes.
      log_odds: `[rows, models]`, of the second of two classes; None for another number of them.
    """

    values: Floats
    log_odds: Floats | None


@dataclass(frozen=True)
class _Rows:
    """The rows looked at, of all splits.

    Attributes:
      table: Their features.
      labels: Class ids or numbers.
      split: By row, the name of its split.
      place: By row, its place in its split.
      at: By row, its place in its split's table, which may be a sample.
      contents: By feature whose values are no scalars, its content and the facts of the rows.
    """

    table: pa.Table
    labels: Array
    split: Array
    place: Ints
    at: Ints
    contents: dict[str, tuple[Content, Any]]

    @property
    def has_features(self) -> bool:
        return bool(self.table.column_names or self.contents)


def check_label_errors(data: AuditData) -> Part:
    """Estimates the share of wrong labels, and lists the most suspect rows.

    For classes the share is how often the label is wrong where everything else about a row
    is certain (`label_noise`). Classes that merely overlap do not count, unless a few rows of
    each lie deep among those of the other: from the features alone, such rows look like
    wrong labels, so that the share errs to the high side. Where one class hardly ever is
    certain, its errors pass for hard rows. The interval is that of the sample: it knows
    nothing of either. For two classes it begins at zero unless wrong labels explain the rows
    better than overlap does, beyond chance. For regression the share is that of labels far
    from what the features let expect, which sees gross errors only.
    """
    spec, name = data.spec.label_errors, data.problem.label.name
    rng = np.random.default_rng(0)
    rows = _draw(data, rng)
    classes = len(data.problem.label_classes())
    is_forecast = find_task(data.problem.task).takes_steps
    if not _enough(rows.labels, classes) or not rows.has_features:
        return _part(data, Share(None), [], f"too few labelled rows to judge {name!r}")
    columns = Columns(np.zeros((len(rows.labels), 0)), ())
    if rows.table.column_names:
        columns = columns_of(rows.table, rows.table.column_names, data.problem)
    embedded = [(content, content.embed(facts)) for content, facts in rows.contents.values()]
    predicted = _predicted(columns, embedded, rows.labels, classes, spec.folds, rng)
    if classes:
        share = _share_of_classes(columns, predicted, rows.labels)
        own = predicted.values[np.arange(len(rows.labels)), rows.labels]
        suspicion = 1 - own
    else:
        off = _far_off(rows.labels - predicted.values)
        share, suspicion = Share(None) if is_forecast else _share_of_far(off), off
    worst = np.argsort(-suspicion, kind="stable")[: spec.suspects]
    suspects = [_suspect(data, rows, predicted.values, int(row)) for row in worst]
    return _part(data, share, suspects, _OWN_VALUES if is_forecast else "")


def _predicted(
    columns: Columns,
    embedded: Sequence[tuple[Content, Any]],
    labels: Array,
    classes: int,
    folds: int,
    rng: np.random.Generator,
) -> _Predicted:
    """Averages over several ways to cut few rows into folds: the verdict hangs on one else."""
    few = len(labels) * max(classes, 2) <= _FEW_LABELS and columns.values.size <= _FEW_VALUES
    repeats = _REPEATS if few else 1
    cuts = [rng.permutation(len(labels)) % folds for _ in range(repeats)]
    of_repeats = [_out_of_fold(columns, embedded, labels, cut, classes) for cut in cuts]
    of_models = [np.mean(models, axis=0) for models in zip(*of_repeats, strict=True)]
    if classes != 2:
        return _Predicted(of_models[0], None)
    log_odds = np.stack([_log_odds(values)[:, 1] for values in of_models], axis=1)
    return _Predicted(of_models[0], log_odds)


def _out_of_fold(
    columns: Columns,
    embedded: Sequence[tuple[Content, Any]],
    labels: Array,
    folds: Ints,
    classes: int,
) -> list[Floats]:
    """What models say of rows that they did not see; by model, the main one first.

    Linear models read images and texts; trees read the other features and what these say. Of
    two classes and nothing else to read, linear models of several penalties say it: the curve
    of wrong labels finds which of them to follow.
    """
    alone = len(embedded) == 1 and not columns.categorical
    strengths = _STRENGTHS if alone and classes == 2 else _STRENGTHS[:1]
    linear = [
        linear_out_of_fold(rows, labels, folds, classes, content.strength * strength)
        for content, rows in embedded
        for strength in strengths
    ]
    if alone:
        return linear
    return [out_of_fold(columns.joined(linear), labels, folds, classes)]


def _log_odds(probabilities: Floats) -> Floats:
    odds: Floats = np.log(probabilities.clip(1e-6, 1) / (1 - probabilities).clip(1e-6, 1))
    return odds


def _draw(data: AuditData, rng: np.random.Generator) -> _Rows:
    """Draws from all splits; fewer rows for many classes, whose trees take longer."""
    names, classes = data.features(), len(data.problem.label_classes())
    table = pa.concat_tables([one.select(names) for one in data.tables.values()])
    labels = np.concatenate([labels_of(one, data.problem) for one in data.tables.values()])
    sizes = [one.num_rows for one in data.tables.values()]
    known = np.flatnonzero(labels >= 0 if classes else np.isfinite(labels))
    most = data.spec.label_errors.rows * 2 // max(classes, 2)
    if len(known) > most:
        known = np.sort(rng.choice(known, most, replace=False))
    splits = np.repeat(np.array(list(data.tables), object), sizes)
    places = np.concatenate([data.places_of(split) for split in data.tables])
    at = np.concatenate([np.arange(size) for size in sizes])
    contents = {
        name: (content, content.take(content.join(list(data.facts_of(name).values())), known))
        for name, content in data.contents().items()
    }
    drawn = table.take(pa.array(known))
    return _Rows(drawn, labels[known], splits[known], places[known], at[known], contents)


def _enough(labels: Array, classes: int) -> bool:
    if len(labels) < _FEWEST_ROWS:
        return False
    if not classes:
        return bool(labels.std() > 0)
    return int((np.bincount(labels, minlength=classes) >= _FEWEST_OF_CLASS).sum()) >= 2


def _share_of_classes(columns: Columns, predicted: _Predicted, labels: Array) -> Share:
    """Adds up, over the classes, how many of its true rows bear another label."""
    if predicted.log_odds is not None:
        return _share_of_two(columns, predicted.log_odds, (labels == 1).astype(np.float64))
    scores = _log_odds(predicted.values)
    judged_classes = np.flatnonzero(
        np.bincount(labels, minlength=scores.shape[1]) >= _FEWEST_OF_CLASS
    )
    if not any(_tell(scores[:, place], labels == place) for place in judged_classes):
        return Share(None)
    total = variance = 0.0
    for place in judged_classes:
        ours = (labels == place).astype(np.float64)
        noise = _fitted(np.zeros((len(ours), 0), np.float32), scores[:, [place]], ours)
        true = noise.true_share(ours.mean())
        total += true * noise.high
        variance += true**2 * float(noise.covariance[1, 1])
    return _interval(total, variance)


def _share_of_two(columns: Columns, scores: Floats, ours: Floats) -> Share:
    """Begins the interval at zero unless overlap alone hardly ever makes such rows.

    Of few rows the curvature at the estimate says little, and overlap passes for errors.
    """
    if not _tell(scores.mean(axis=1), ours == 1):
        return Share(None)
    terms = _terms(columns, ours)
    noise = _simplest(terms, scores, ours)
    share = _interval(*_of_two(noise, ours.mean()))
    overlap = _fitted(terms, scores, ours, "none")
    if share.low and overlap.loss - noise.loss < _BEYOND_OVERLAP:
        return replace(share, low=0.0)
    return share


def _tell(scores: Floats, ours: Array) -> bool:
    """Whether scores of rows that were not seen rank those of a class above others, beyond chance.

    Scores that know nothing fall where a class is held back: the curve would take that for
    labels that are wrong.
    """
    ones, zeros = int(ours.sum()), int((~ours).sum())
    ranks = rankdata(scores)[ours].sum() - ones * (ones + 1) / 2
    deviation = np.sqrt(ones * zeros * (ones + zeros + 1) / 12)
    return bool(ranks - ones * zeros / 2 > _BEYOND_CHANCE * deviation)


def _terms(columns: Columns, ours: Floats) -> Terms:
    terms = additive_terms(columns)
    fewest = min(ours.sum(), len(ours) - ours.sum())
    return terms if fewest >= _ROWS_PER_TERM * terms.shape[1] else terms[:, :0]


def _simplest(terms: Terms, scores: Floats, ours: Floats) -> LabelNoise:
    """One rate for both classes, unless the rows speak against it.

    Where few rows of a class are certain, a rate of its own is hardly known, and the interval
    would hold anything.
    """
    alike = _fitted(terms, scores, ours, "alike")
    apart = _fitted(terms, scores, ours)
    return apart if alike.loss - apart.loss > _BETTER else alike


def _fitted(terms: Terms, scores: Floats, ours: Floats, rates: Rates = "apart") -> LabelNoise:
    """The models' scores are terms more: of themselves they flatten out by wrong labels."""
    counts = (terms.shape[1], scores.shape[1])
    ridge = np.repeat([_RIDGE, _RIDGE_OF_SCORES], counts)
    together = np.concatenate([terms, standardised(scores)], axis=1)
    return fit_label_noise(together, ours, ridge, rates)


def _of_two(noise: LabelNoise, observed: float) -> tuple[float, float]:
    """The share of wrong labels among both classes, and its variance."""
    true = noise.true_share(observed)
    share = noise.low * (1 - true) + noise.high * true
    turn = (noise.high - noise.low) / (1 - noise.low - noise.high)
    slope = np.array([(1 - true) * (1 - turn), true * (1 + turn)])
    return share, float(slope @ noise.covariance @ slope)


def _interval(share: float, variance: float) -> Share:
    """None where the features say so little that any share would do."""
    half = _Z * float(np.sqrt(max(variance, 0.0)))
    if not np.isfinite(half) or half > _WIDEST:
        return Share(None)
    return Share(share, max(share - half, 0.0), min(share + half, 1.0))


def _far_off(residuals: Floats) -> Floats:
    """Distances from the median of the residuals, in deviations of their middle half."""
    off = np.abs(residuals - np.median(residuals))
    spread = _MAD_TO_SIGMA * float(np.median(off))
    return off / spread if spread > 0 else np.where(off > 0, np.inf, 0.0)


def _share_of_far(off: Floats) -> Share:
    share = float((off > _FAR).mean())
    return _interval(share, share * (1 - share) / len(off))


def _suspect(data: AuditData, rows: _Rows, predicted: Floats, row: int) -> dict[str, Any]:
    classes = data.problem.label_classes()
    names = rows.table.column_names[:_SHOWN]
    label: Any = rows.labels[row]
    shown: dict[str, Any] = {
        "row": int(rows.place[row]),
        "split": str(rows.split[row]),
        "label": classes[label] if classes else float(label),
        "probability": float(predicted[row, label]) if classes else None,
        "expected": classes[int(predicted[row].argmax())] if classes else float(predicted[row]),
    }
    views = {name: content.preview(facts, row) for name, (content, facts) in rows.contents.items()}
    return {
        **shown,
        "values": {name: rows.table[name][row].as_py() for name in names},
        "files": data.files_of(str(rows.split[row]), int(rows.at[row])),
        "views": {name: view.model_dump(mode="json") for name, view in views.items()},
    }


def _part(data: AuditData, share: Share, suspects: list[dict[str, Any]], unknown: str = "") -> Part:
    spec, name = data.spec.label_errors, data.problem.label.name
    if share.value is None:
        what = f"The share of wrong labels is unknown: {unknown or _TOO_VAGUE}."
    else:
        what = (
            f"An estimated {share.value:.1%} of the labels {name!r} are wrong "
            f"({share.low:.1%} to {share.high:.1%}), or right where every feature speaks for "
            "another: the data alone cannot say which."
        )
    checked = Checked(
        check="label_errors",
        feature=name,
        split="all",
        **judged(spec.severity, share.low, spec.max_share),
        what=what,
        expected=f"no more than {spec.max_share:.1%} wrong labels beyond chance",
        received="" if share.value is None else f"{share.value:.1%}, at least {share.low:.1%}",
        fix="look at the suspects in audit.json, and at where their labels come from",
    )
    found = {"share": share.value, "low": share.low, "high": share.high, "suspects": suspects}
    return Part([checked], {"label_errors": found})
