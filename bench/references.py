"""What scikit-learn reaches on the splits of a run: the best of a small grid, chosen on val.

Where the run fitted its network once more on train and val (`training.refit`), so is the model
that val chose: both learn from the same rows.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Predict = Callable[[str], Array]

SPLITS = ("train", "val", "test")
_TREE_GRID = ((0.1, 31), (0.05, 31), (0.05, 63), (0.1, 8))
_ROUNDS = 300
_PENALTIES = (0.003, 0.03, 0.3, 3.0, 30.0)
_MOST_CATEGORIES = 255
_FEW_CATEGORIES = 100
_TINY = 1e-15


@dataclass(frozen=True)
class Table:
    """The raw features and labels of a run, by split.

    Attributes:
      task: `binary`, `multiclass` or `regression`.
      features: By split, a data frame of numbers and strings.
      labels: By split, class ids or numbers.
      refit: Whether to fit what val chose once more on train and val.
    """

    task: str
    features: Mapping[str, Any]
    labels: Mapping[str, Array]
    refit: bool = False

    def loss(self, scores: Array, split: str) -> float:
        """The log loss, or the squared error."""
        labels = self.labels[split]
        if self.task == "regression":
            return float(np.square(scores - labels).mean())
        return float(-np.log(np.maximum(scores[np.arange(len(labels)), labels], _TINY)).mean())

    def metric(self, scores: Array, split: str = "test") -> float:
        """ROC AUC, accuracy or R2."""
        from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

        labels = self.labels[split]
        if self.task == "binary":
            return float(roc_auc_score(labels, scores[:, 1]))
        if self.task == "multiclass":
            return float(accuracy_score(labels, scores.argmax(axis=1)))
        return float(r2_score(labels, scores))


def best_references(run_folder: Path, home: Path) -> dict[str, float]:
    """Gives the metric on test of the best trees and of the best linear model, as val chose.

    Args:
      run_folder: Of a finished run: it holds `summary.json` and `config.json`.
      home: The folder in which `kelp run` was called.
    """
    return best_of_grids(read_run(run_folder, home))


def best_of_grids(table: Table) -> dict[str, float]:
    """Gives the metric on test of the best trees and of the best linear model, as val chose."""
    return {
        "trees": _best_on_val(table, _boosted_trees(table)),
        "linear": _best_on_val(table, _linear_models(table)),
    }


def read_run(run_folder: Path, home: Path) -> Table:
    """Reads the features that the run's config names, in the run's own splits."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from models.data.raw_table import read_table

    config = json.loads((run_folder / "config.json").read_text(encoding="utf-8"))
    folders = json.loads((run_folder / "summary.json").read_text(encoding="utf-8"))["folders"]
    text = Path(home, folders["schema"], "schema.pbtxt").read_text(encoding="utf-8")
    schema = text_format.Parse(text, schema_pb2.Schema())
    frames = {}
    for split in SPLITS:
        files = sorted(map(str, Path(home, folders["examples"], f"Split-{split}").glob("*.gz")))
        frames[split] = read_table(files, schema).to_pandas()
    label = config["label"]["name"]
    names = [name for name in config["features"] if name in frames["train"]]
    labels = {split: frame[label].to_numpy() for split, frame in frames.items()}
    if config["task"] != "regression":
        classes = np.unique(np.concatenate(list(labels.values())))
        labels = {split: np.searchsorted(classes, values) for split, values in labels.items()}
    features = {split: frame[names] for split, frame in frames.items()}
    return Table(config["task"], features, labels, refit=config["training"]["refit"])


@dataclass(frozen=True)
class _Candidate:
    """One model of a grid.

    Attributes:
      predict: Gives its scores of a split, learned on train.
      again: Fits it once more on train and val, and gives the same of that.
    """

    predict: Predict
    again: Callable[[], Predict]


def _best_on_val(table: Table, candidates: Iterator[_Candidate]) -> float:
    """The metric on test of the candidate with the least loss on val."""
    best = min(candidates, key=lambda candidate: table.loss(candidate.predict("val"), "val"))
    predict = best.again() if table.refit else best.predict
    return table.metric(predict("test"))


def _train_and_val(table: Table, matrices: Mapping[str, Any]) -> tuple[Any, Array]:
    """The matrix and the labels of both splits."""
    from scipy.sparse import issparse, vstack

    parts = [matrices["train"], matrices["val"]]
    matrix = vstack(parts).tocsr() if issparse(parts[0]) else np.concatenate(parts)
    return matrix, np.concatenate([table.labels["train"], table.labels["val"]])


def _boosted_trees(table: Table) -> Iterator[_Candidate]:
    """Histogram boosting, of each setting the number of rounds that val likes best."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.preprocessing import OrdinalEncoder
    from threadpoolctl import threadpool_limits

    text, numbers = _columns_by_kind(table)
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=_MOST_CATEGORIES - 1,
    )
    design = make_column_transformer((encoder, text), ("passthrough", numbers))
    design.fit(table.features["train"])
    matrices = {split: design.transform(frame) for split, frame in table.features.items()}
    regression = table.task == "regression"
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    for learning_rate, leaves in _TREE_GRID:
        model = kind(
            learning_rate=learning_rate,
            max_leaf_nodes=leaves,
            max_iter=_ROUNDS,
            categorical_features=list(range(len(text))) or None,
            early_stopping=False,
            random_state=0,
        )
        with threadpool_limits(1):
            model.fit(matrices["train"], table.labels["train"])
        yield _at_best_round(model, table, matrices)


def _at_best_round(model: Any, table: Table, matrices: Mapping[str, Array]) -> _Candidate:
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    staged = model.staged_predict if table.task == "regression" else model.staged_predict_proba
    losses = [table.loss(scores, "val") for scores in staged(matrices["val"])]
    best = int(np.argmin(losses))

    def again() -> Predict:
        more = clone(model).set_params(max_iter=best + 1)
        with threadpool_limits(1):
            more.fit(*_train_and_val(table, matrices))
        return _scorer(more, table, matrices)

    return _Candidate(lambda split: next(islice(staged(matrices[split]), best, None)), again)


def _scorer(model: Any, table: Table, matrices: Mapping[str, Any]) -> Predict:
    answer = model.predict if table.task == "regression" else model.predict_proba
    return lambda split: answer(matrices[split])


def _linear_models(table: Table) -> Iterator[_Candidate]:
    """Logistic or ridge regression on standardised numbers and one-hot categories."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    text, numbers = _columns_by_kind(table)
    design = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", max_categories=_FEW_CATEGORIES), text),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
    )
    design.fit(table.features["train"])
    matrices = {split: design.transform(frame) for split, frame in table.features.items()}
    for strength in _PENALTIES:
        model: Any = (
            Ridge(alpha=1 / strength)
            if table.task == "regression"
            else LogisticRegression(C=strength, max_iter=500)
        )
        yield _linear_candidate(model, table, matrices)


def _linear_candidate(model: Any, table: Table, matrices: Mapping[str, Any]) -> _Candidate:
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    def fitted(matrix: Any, labels: Array) -> Predict:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return _scorer(clone(model).fit(matrix, labels), table, matrices)

    return _Candidate(
        fitted(matrices["train"], table.labels["train"]),
        lambda: fitted(*_train_and_val(table, matrices)),
    )


def _columns_by_kind(table: Table) -> tuple[list[str], list[str]]:
    """The columns of text, and those of numbers."""
    frame = table.features["train"]
    text = [name for name in frame if frame[name].dtype == object]
    return text, [name for name in frame if name not in text]
