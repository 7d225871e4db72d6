"""The candidate's worst errors on images, texts and windows, as a person sees them, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from contracts.arrays import Array
from contracts.names import serving_name
from contracts.results.evidence import ErrorExample
from contracts.results.preview import Preview
from models.export.loaded_model import Columns, LoadedModel
from models.export.occlusion import weigh_parts
from models.features.kind import FeatureKind
from models.features.spec import FeaturesSpec
from models.tasks import find_task

_OF_PAIR = 3
_MOST = 36
_WITHOUT_CLASSES = 12
_EXPLAINED = 8


def content_inputs(problem: FeaturesSpec) -> dict[str, tuple[str, FeatureKind]]:
    """By what can be shown, a feature or one of its raw columns, its input and its kind."""
    shown = {}
    for name, kind in problem.features.items():
        columns = kind.raw_columns(name) if kind.content_type or kind.raw_size() > 1 else ()
        for column in columns:
            shown[name if len(columns) == 1 else column] = serving_name(column), kind
    return shown


def error_examples(
    model: LoadedModel, columns: Columns, labels: Array, predicted: Array, problem: FeaturesSpec
) -> list[ErrorExample]:
    """Shows rows that the candidate gets wrong, and explains the worst of them.

    Args:
      model: The candidate.
      columns: The inputs of `serving_default` for all rows.
      labels: Class ids or numbers.
      predicted: What the candidate says of the rows; see `LoadedModel.predict`.
      problem: The features and the label.

    Returns:
      For classes the commonest confusions first, of each its surest rows; otherwise the
      largest errors. Nothing where all features are scalars.
    """
    contents = content_inputs(problem)
    # Of forecasts the report has charts of its own.
    if not contents or not len(labels) or labels.ndim > 1:
        return []
    if find_task(problem.task).has_classes:
        chosen, sureness = _surest(labels, predicted, model.encoding.threshold)
    else:
        off = np.abs(predicted - labels)
        chosen, sureness = np.argsort(-off, kind="stable")[:_WITHOUT_CLASSES], off
    worst = set(sorted(chosen, key=lambda row: -sureness[row])[:_EXPLAINED])
    examples = []
    for row in map(int, chosen):
        single_row = {name: column[row : row + 1] for name, column in columns.items()}
        target = int(predicted[row].argmax()) if predicted.ndim == 2 else None
        views = _views(model, single_row, contents, target, row in worst)
        examples.append(_example(problem, labels, predicted, row, model.encoding.threshold, views))
    return examples


def _surest(labels: Array, predicted: Array, threshold: float | None) -> tuple[Array, Array]:
    said = _classes(predicted, threshold)
    sureness = predicted.max(axis=1) if predicted.ndim == 2 else np.abs(predicted - 0.5)
    wrong = np.flatnonzero((said != labels) & (labels >= 0))
    pairs = list(zip(labels[wrong].tolist(), said[wrong].tolist(), strict=True))
    counts = Counter(pairs)
    order = sorted(
        range(len(wrong)), key=lambda at: (-counts[pairs[at]], pairs[at], -sureness[wrong[at]])
    )
    taken: Counter[tuple[int, int]] = Counter()
    chosen = []
    for at in order:
        taken[pairs[at]] += 1
        if taken[pairs[at]] <= _OF_PAIR:
            chosen.append(int(wrong[at]))
    return np.array(chosen[:_MOST], np.int64), sureness


def _classes(predicted: Array, threshold: float | None) -> Array:
    if predicted.ndim == 2:
        classes: Array = predicted.argmax(axis=1)
        return classes
    return (predicted >= (0.5 if threshold is None else threshold)).astype(np.int64)


def _views(
    model: LoadedModel,
    row: Columns,
    contents: Mapping[str, tuple[str, FeatureKind]],
    target: int | None,
    explain: bool,
) -> dict[str, Preview]:
    views = {}
    for feature, (name, kind) in contents.items():
        value = row[name][0]
        occlusion = kind.occlude(value) if explain else None
        view = kind.preview_value(value)
        if occlusion is not None:
            view = occlusion.show(weigh_parts(model, row, name, occlusion, target))
        if view is not None:
            views[feature] = view
    return views


def _example(
    problem: FeaturesSpec,
    labels: Array,
    predicted: Array,
    row: int,
    threshold: float | None,
    views: dict[str, Preview],
) -> ErrorExample:
    classes = problem.label_classes()
    if not classes:
        return ErrorExample(
            row=row, actual=float(labels[row]), predicted=float(predicted[row]), views=views
        )
    said = int(_classes(predicted[row : row + 1], threshold)[0])
    if predicted.ndim == 2:
        probability = float(predicted[row, said])
    else:
        probability = float(predicted[row] if said else 1 - predicted[row])
    return ErrorExample(
        row=row,
        actual=classes[int(labels[row])],
        predicted=classes[said],
        probability=probability,
        explained=None if predicted.ndim == 2 else classes[1],
        views=views,
    )
