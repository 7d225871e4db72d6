"""One network with every encoder of texts, in the formats: device files take ids of tokens."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.artifact import ArtifactModel, read_artifact
from models.compression import parity
from models.compression.runtimes import open_predictor, predict_table
from models.data.raw_table import read_table

CASE = "texts"
TOLERANCES = {
    "savedmodel_int8": 0.1,
    "tflite_float32": 1e-5,
    # The loop of a recurrent network is unrolled, no attention goes through -1e9, and no mean
    # is a sum: a transformer would be 0.74 off otherwise, and the others 0.5.
    "tflite_int8_full": 0.1,
    "onnx_float32": 1e-5,
}


@pytest.mark.parametrize("form", TOLERANCES)
def test_a_format_answers_as_the_encoders_do(materials, converted, form):
    _, golden = materials(CASE)
    request = {"folder": str(converted(CASE, form)), "golden": str(golden)}
    report = parity.run(request | {"tolerance": TOLERANCES[form]})
    assert report["rows"] == 60
    assert report["max_difference"] <= TOLERANCES[form]


def test_raw_texts_get_the_same_answers_in_every_runtime(worlds, materials, converted):
    artifacts, _ = materials(CASE)
    world = worlds(CASE)
    table = read_table(artifacts.val_files, world.schema, list(world.problem.features))
    assert table.column("body").null_count == 1
    forms = ("savedmodel_int8", "tflite_float32", "onnx_float32")
    saved, lite, onnx = (
        predict_table(open_predictor(converted(CASE, form)), table) for form in forms
    )
    assert np.ptp(lite) > 0.2
    np.testing.assert_allclose(onnx, lite, atol=1e-5)
    np.testing.assert_allclose(saved, lite, atol=0.1)


def test_the_artifact_describes_how_texts_become_ids(converted):
    folder = converted(CASE, "onnx_float32")
    features = {one.column: one for one in read_artifact(folder).preparation.features}
    assert features["title"].ngrams == 2
    assert "délicieux" in features["title"].vocabulary
    remark = features["remark"]
    assert (remark.first_id, remark.start, remark.end, remark.unknown) == (0, 2, 3, 1)
    assert remark.vocabulary[4:7] == ("good", "bad", "gr")
    assert remark.words.strip_accents
    empty = {name: np.array([b""], object) for name in features if name != "number"}
    tensors = ArtifactModel(folder).tensors({**empty, "number": np.zeros(1, np.float32)})
    assert [value.shape for value in tensors.values()][:2] == [(1, 24), (1, 12)]
