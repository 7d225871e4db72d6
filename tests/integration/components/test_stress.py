"""The Stress component on examples, a schema and a model on disk."""

import json

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tfx.types import standard_artifacts

from components.artifacts import StressReport
from components.stress.component import Stress
from components.stress.config import StressJob
from contracts.errors import ConfigError
from tests import small_model

ROWS = 300


def _example(row):
    example = tf.train.Example()
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        elif value is not None:
            feature.float_list.value.append(value)
    return example.SerializeToString()


def _rows():
    generator = np.random.default_rng(0)
    for _ in range(ROWS):
        x = float(generator.normal())
        yield {
            "x": None if generator.random() < 0.1 else x,
            "the count": int(generator.integers(0, 40)),
            "hour": float(generator.uniform(0, 24)),
            "flag": int(generator.integers(0, 2)),
            "color": str(generator.choice(["red", "green"])),
            "code": int(generator.integers(0, 5)),
            "y": "yes" if x > 0 else "no",
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stress")
    split = folder / "examples" / "Split-test"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data.gz"), "GZIP") as writer:
        for row in _rows():
            writer.write(_example(row))
    (folder / "schema").mkdir()
    schema = text_format.MessageToString(small_model.schema("binary"))
    (folder / "schema" / "schema.pbtxt").write_text(schema)
    small_model.write(folder / "model" / "Format-Serving", "binary")

    def call(**job):
        examples = standard_artifacts.Examples()
        examples.uri, examples.split_names = str(folder / "examples"), '["test"]'
        held, model, report = (
            standard_artifacts.Schema(),
            standard_artifacts.Model(),
            StressReport(),
        )
        held.uri, model.uri = str(folder / "schema"), str(folder / "model")
        report.uri = str(folder / "report")
        content = {"problem": small_model.problem("binary"), "resamples": 100, "seed": 1, **job}
        Stress.EXECUTOR_SPEC.executor_class().Do(
            {"examples": [examples], "schema": [held], "model": [model]},
            {"report": [report]},
            {
                "spec": StressJob.model_validate(content).model_dump_json(),
                "source_digest": "none",
            },
        )
        return json.loads((folder / "report" / "stress.json").read_text())

    return call


def test_the_component_writes_what_it_measured(run):
    stress = {
        "noise": {"kind": "noise", "scale": 1.0},
        "push": {"kind": "adversarial", "max_drop": 0.5, "severity": "warn"},
    }
    result = run(stress=stress, importance={"repeats": 3})
    assert (result["metric"], result["rows"]) == ("roc_auc", ROWS)
    assert [entry["name"] for entry in result["robustness"]] == ["noise", "push"]
    assert result["robustness"][0]["columns"] == ["x", "the count"]
    assert result["robustness"][1]["bound"] == 0.5
    assert {entry["feature"] for entry in result["importance"]} == set(small_model.FEATURES)
    assert result["importance"][0]["drop"]["value"] is not None


def test_a_stress_on_what_is_no_feature_is_refused(run):
    with pytest.raises(ConfigError, match="no feature"):
        run(stress={"gone": {"kind": "missing", "columns": ["xx"]}})
