"""The worst errors: which rows are shown, and what their parts add."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from components.stress.errors import content_inputs, error_examples
from models.content.texts.content import TextContent
from models.export.occlusion import weigh_parts
from models.features.numeric import NumericSpec
from models.features.spec import FeaturesSpec
from models.features.text import TextSpec


class _Model:
    """Says yes the surer, the more often a text has the word good."""

    is_explainable = False
    encoding = SimpleNamespace(task="binary", threshold=0.5, forecast=None)

    def predict(self, columns: Any) -> Any:
        counts = np.array([text.split().count("good") for text in columns["review"]])
        return 1 / (1 + np.exp(1.0 - 2.0 * counts))


class _Explainable(_Model):
    """The same by two logits, from an encoded row."""

    is_explainable = True

    def encode(self, columns: Any) -> Any:
        return np.array([[text.split().count("good")] for text in columns["review"]], np.float32)

    def score(self, encoded: Any) -> Any:
        odds = 2.0 * encoded[:, 0] - 1.0
        return np.stack([np.zeros_like(odds), odds], axis=1)


def _problem(**features: Any) -> FeaturesSpec:
    return FeaturesSpec(task="binary", label={"name": "bought"}, features=features)


def test_the_surest_errors_are_shown_with_the_weight_of_each_word() -> None:
    texts = ["good good", "bad", "good", "not good at all", "fine"]
    columns = {"review": np.array(texts, object), "price": np.zeros(5, np.float32)}
    labels = np.array([0, 0, 1, 0, 1])
    problem = _problem(review=TextSpec(), price=NumericSpec())
    model: Any = _Model()
    found = error_examples(model, columns, labels, model.predict(columns), problem)
    assert [(entry.row, entry.actual, entry.predicted) for entry in found] == [
        (0, 0, 1),
        (3, 0, 1),
        (4, 1, 0),
    ]
    assert found[0].probability == 1 / (1 + np.exp(-3.0))
    assert {entry.explained for entry in found} == {1}
    parts = found[1].views["review"].parts
    assert parts is not None
    weights = {part.text.strip(): round(part.weight, 6) for part in parts}
    assert weights == {"not": 0.0, "good": 2.0, "at": 0.0, "all": 0.0}


def test_the_logits_of_a_flat_network_are_explained() -> None:
    model: Any = _Explainable()
    occlusion = TextContent().occlude("not good at all")
    assert occlusion is not None
    row = {"review": np.array(["not good at all"], object)}
    assert weigh_parts(model, row, "review", occlusion, 1) == [0.0, 2.0, 0.0, 0.0]


def test_of_each_confusion_some_rows_are_shown() -> None:
    rows = 400
    columns = {"review": np.array(["good"] * rows, object)}
    model: Any = _Model()
    predicted = model.predict(columns)
    found = error_examples(
        model, columns, np.zeros(rows, np.int64), predicted, _problem(review=TextSpec())
    )
    assert len(found) == 3


def test_features_that_are_scalars_show_nothing() -> None:
    problem = _problem(price=NumericSpec())
    assert content_inputs(problem) == {}
    model: Any = _Model()
    columns = {"price": np.zeros(3, np.float32)}
    assert error_examples(model, columns, np.zeros(3), np.ones(3), problem) == []


class _LastStep(_Model):
    """Predicts the last known step of a window."""

    encoding = SimpleNamespace(task="regression", threshold=None, forecast=None)

    def predict(self, columns: Any) -> Any:
        return np.nan_to_num(columns["load"])[:, -1]


def test_the_largest_errors_on_windows_are_shown_with_the_weight_of_their_steps() -> None:
    loads = np.arange(60, dtype=np.float32).reshape(20, 3)
    labels = loads[:, -1].astype(np.float64)
    labels[4] = 100.0
    spec = {"type": "window", "steps": 3, "columns": ["load"]}
    problem = FeaturesSpec.model_validate(
        {"task": "regression", "label": {"name": "y"}, "features": {"past": spec}}
    )
    model: Any = _LastStep()
    columns = {"load": loads}
    found = error_examples(model, columns, labels, model.predict(columns), problem)
    assert (found[0].row, found[0].actual, found[0].predicted) == (4, 100.0, 14.0)
    view = found[0].views["past"]
    assert view.heat is not None
    assert view.heat.weights == [[0.0, 0.0, 14.0]]
    assert view.png
    forecast = np.zeros([20, 2])
    assert error_examples(model, columns, forecast, forecast, problem) == []
