"""The reviews config on some of its reviews, run, asked by REST, and asked on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv

from tests.decoys import write_decoys
from tests.e2e.conftest import Workplace, run_small, variants_of
from tests.integration.serving.served import ServerProcess

_TRAIN, _TEST = 500, 150
_SMALL = (
    variants_of(onnx="onnx_float32"),
    "training.epochs=4",
    "training.optimizer.learning_rate=0.005",
    "evaluation.bounds.roc_auc.min=0.6",
    "evaluation.stress={}",
)
_REVIEWS = (
    "Delicious! My kids love these, and I'll buy them again.",
    "Stale, bitter and far too expensive. I threw it away <br />",
    "Très bon café — naïve façade; 日本語 😀",
    "",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the config has been run."""
    from examples.reviews.download import reviews_table

    folder = write_decoys(tmp_path_factory.mktemp("reviews"))
    whole = reviews_table()
    table = pa.concat_tables([whole.slice(0, _TRAIN), whole.slice(4000, _TEST)])
    (folder / "data/reviews").mkdir(parents=True)
    arrow_csv.write_csv(table, folder / "data/reviews/reviews.csv")
    return run_small(folder, "reviews", *_SMALL)


def ask(server: ServerProcess, name: str, *texts: Any) -> tuple[int, Any]:
    body = json.dumps({"instances": [{"review": text} for text in texts]}).encode()
    status, answer = server.get(f"/v1/models/{name}:predict", body)
    return status, answer


def test_it_is_blessed_and_each_variant_is_pushed(folder: Path) -> None:
    summary = json.loads((folder / "runs/reviews/latest/summary.json").read_text())
    assert summary["blessed"], summary["reasons"]
    assert {entry["name"]: entry["status"] for entry in summary["variants"]} == {
        "float32": "blessed",
        "onnx": "blessed",
    }
    assert summary["rows"]["test"] == _TEST
    report = (folder / "runs/reviews/latest/report.html").read_text()
    assert len(report) < 8e6
    assert "TF-IDF" in report
    assert "review_words" in report


def test_a_review_by_rest_is_answered_as_in_process(folder: Path, server: ServerProcess) -> None:
    import tensorflow as tf

    model = tf.saved_model.load(str(folder / "serving_models/reviews/1"))
    expected = model.signatures["serving_default"](review=tf.constant(_REVIEWS))
    status, answer = ask(server, "reviews", *_REVIEWS)
    assert status == 200, answer
    probabilities = [row["probabilities"] for row in answer["predictions"]]
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)
    assert probabilities[0] > probabilities[1]


def test_a_variant_takes_the_same_raw_text(server: ServerProcess) -> None:
    _, expected = ask(server, "reviews", *_REVIEWS)
    status, answer = ask(server, "reviews-onnx", *_REVIEWS)
    assert status == 200, answer
    for ours, theirs in zip(answer["predictions"], expected["predictions"], strict=True):
        np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], atol=1e-5)


@pytest.mark.parametrize("name", ["reviews", "reviews-onnx"])
def test_a_text_of_a_megabyte_is_a_400_that_names_its_column(
    server: ServerProcess, name: str
) -> None:
    for text, what in (("good " * 200_000, "too long"), ({"b64": "/w=="}, "not UTF-8")):
        status, answer = ask(server, name, "good", text)
        assert status == 400
        assert what in answer["error"]
        assert "'review', row 2" in answer["error"]
    status, _ = ask(server, name, "good")
    assert status == 200


def test_a_table_of_texts_is_predicted(folder: Path) -> None:
    place = Workplace(folder)
    tables = []
    for model in ("serving_models/reviews/1", "artifacts/reviews/1/onnx"):
        place.printed(
            *("predict", model, "--data", "data/reviews/reviews.csv"),
            *("--keep", "score", "--out", "out.csv"),
        )
        with (folder / "out.csv").open() as file:
            tables.append(list(csv.DictReader(file)))
    assert len(tables[0]) == _TRAIN + _TEST
    assert [row["classes"] for row in tables[0]] == [row["classes"] for row in tables[1]]
    right = [row["score"] == row["classes"] for row in tables[0]]
    assert np.mean(right) > 0.7
