"""Predictions as a table, and as files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.predictions import predict as predict_module
from components.predictions.keys import KeysSpec
from components.predictions.predict import _check, label_ids, predict
from components.row_sample import sample_of
from contracts.errors import ModelError
from evidence.prediction_table import (
    ROWS_FILE,
    PredictionTable,
    read_predictions,
    read_scores,
    write_predictions,
    write_scores,
)
from models.features.spec import FeaturesSpec


def _table(scores: dict[str, np.ndarray]) -> PredictionTable:
    return PredictionTable(
        task="binary",
        classes=(0, 1),
        thresholds={"candidate": 0.25, "baseline": 0.4},
        labels=np.array([0, 1, 1], np.int64),
        # Columns of the data may have the names of ours.
        keys=pa.table({"row": ["a", None, "c"], "label": [1.5, 2.5, None]}),
        scores=scores,
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    one = np.array([0.1, 0.2, 0.9], np.float32)
    many = np.array([[0.1, 0.9], [0.5, 0.5], [1, 0]], np.float32)
    table = _table({"candidate": one, "baseline": many})
    write_predictions(tmp_path, table)
    again = read_predictions(tmp_path)
    assert (again.task, again.classes) == ("binary", (0, 1))
    assert again.thresholds == {"candidate": 0.25, "baseline": 0.4}
    assert again.labels.tolist() == [0, 1, 1]
    assert again.keys.equals(table.keys)
    np.testing.assert_array_equal(again.scores["candidate"], one)
    np.testing.assert_array_equal(again.scores["baseline"], many)
    names = pq.read_schema(tmp_path / ROWS_FILE).names
    assert names == ["row", "label", "key.row", "key.label", "model.candidate", "model.baseline"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.json", "test.parquet"]


def test_scores_alone(tmp_path: Path) -> None:
    write_scores(tmp_path / "deep" / ROWS_FILE, {"trees": np.array([1.0, 2.0])})
    assert read_scores(tmp_path / "deep" / ROWS_FILE)["trees"].tolist() == [1.0, 2.0]


def test_rows_are_taken_by_place_and_by_mask() -> None:
    table = _table({"candidate": np.array([0.1, 0.2, 0.9])})
    for rows in (np.array([2, 1]), np.array([False, True, True])):
        part = table.take(rows)
        assert part.rows == 2
        assert set(part.keys["row"].to_pylist()) == {None, "c"}
        assert set(part.scores["candidate"]) == {0.2, 0.9}


@pytest.mark.parametrize(
    ("classes", "column", "expected"),
    [
        (["no", "yes"], pa.array(["yes", "no"]), [1, 0]),
        ([False, True], pa.array([1, 0]), [1, 0]),
        ([3, 1, 2], pa.array([1, 2, 3]), [1, 2, 0]),
    ],
)
def test_labels_become_class_ids(classes: list, column: pa.Array, expected: list[int]) -> None:
    problem = FeaturesSpec.model_validate(
        {
            "task": "binary" if len(classes) == 2 else "multiclass",
            "label": {"name": "y", "classes": classes},
            "features": {"x": {"type": "numeric"}},
        }
    )
    assert label_ids(pa.chunked_array([column]), problem).tolist() == expected


def test_a_prediction_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"candidate predicts something that is no number"):
        _check("candidate", np.array([[0.5, 0.5], [np.nan, 0.5]]))


PROBLEM = FeaturesSpec.model_validate(
    {"task": "binary", "label": {"name": "late"}, "features": {"id": {"type": "numeric"}}}
)


class _Listener:
    """A model whose score of a row is its id."""

    threshold = 0.5
    forecast = None

    def __init__(self, *_: object) -> None:
        pass

    def examples(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        rows = [
            tf.train.Example.FromString(record).features.feature["id"].int64_list.value[0]
            for batch in batches
            for record in batch
        ]
        return np.array(rows, np.float32)


def test_of_many_rows_a_sample_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict_module, "Scorer", _Listener)
    file = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for row in range(1000):
            example = tf.train.Example()
            example.features.feature["id"].int64_list.value.append(row)
            example.features.feature["late"].int64_list.value.append(row % 2)
            writer.write(example.SerializeToString())
    schema = text_format.Parse(
        'feature { name: "id" type: INT } feature { name: "late" type: INT }', schema_pb2.Schema()
    )
    keys, models = KeysSpec(named=("id",)), {"candidate": tmp_path, "baseline": tmp_path}
    whole = predict([file], schema, PROBLEM, models, keys)
    assert (whole.rows, whole.all_rows) == (1000, None)
    sample = sample_of(1000, 200, 3)
    found = predict([file], schema, PROBLEM, models, keys, sample, 1000)
    assert found.rows == pytest.approx(200, abs=50)
    assert found.all_rows == 1000
    ids = found.keys["id"].to_numpy()
    for model in models:
        np.testing.assert_array_equal(found.scores[model], ids)
    np.testing.assert_array_equal(found.labels, ids % 2)
    write_predictions(tmp_path / "out", found)
    assert read_predictions(tmp_path / "out").all_rows == 1000
