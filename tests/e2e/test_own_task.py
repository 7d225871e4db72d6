"""A task of the user's own, one module beside the config: counts, learned by Poisson's loss."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.decoys import write_decoys
from tests.e2e.conftest import Workplace

_TASK = '''
import numpy as np

from models.tasks import Metric, NumberTask


def deviance(labels, scores):
    """Poisson's deviance of each row."""
    expected = np.maximum(np.asarray(scores, np.float64), 1e-6)
    ratio = np.where(labels > 0, labels / expected, 1.0)
    return 2 * (labels * np.log(ratio) - labels + expected)


def absolute(labels, scores):
    return np.abs(np.asarray(scores, np.float64) - labels)


class Counts(NumberTask):
    main_metric = "deviance"
    metrics = {"deviance": Metric(False, deviance), "distance": Metric(False, absolute)}
    tfma_metrics = {
        "predictions": tuple((name, "RowMetric", {}) for name in ("deviance", "distance", "rows"))
    }

    def invalid_labels(self, labels):
        return ~np.isfinite(labels) | (labels < 0)

    def head(self, output, layers):
        return layers.Dense(1, activation="exponential", dtype="float32", name="prediction")

    def loss(self, output, keras_module):
        return keras_module.losses.Poisson()

    def training_metrics(self, metrics):
        return [metrics.MeanAbsoluteError(name="mae")]

    def constant_guess_loss(self, labels, classes, weights):
        mean = max(float(np.mean(labels)), 1e-6)
        return mean - float(np.mean(labels)) * np.log(mean)

    def val_metrics(self, labels, predictions, point):
        return {"deviance": float(deviance(labels, predictions).mean())}
'''
_CONFIG = """
name: calls
task: counts_task:Counts
label: {name: calls}
features:
  hour: {type: cyclic, period: 24}
  staff: {type: numeric}
data: {path: calls.csv}
network: {units: [16]}
training: {epochs: 5, batch_size: 128, optimizer: {learning_rate: 0.01}}
evaluation:
  importance: {enabled: false}
  found_slices: {enabled: false}
tracking: {enabled: false}
variants:
  float32: {format: savedmodel_float32}
  onnx: {format: onnx_float32, gates: {max_drop: 1}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the task."""
    folder = write_decoys(tmp_path_factory.mktemp("calls"))
    (folder / "counts_task.py").write_text(_TASK)
    (folder / "calls.yaml").write_text(_CONFIG)
    generator = random.Random(1)
    rows = [(generator.randrange(24), generator.randrange(1, 9)) for _ in range(3000)]
    lines = [f"{h},{s},{sum(generator.random() < h / 30 for _ in range(s))}" for h, s in rows]
    (folder / "calls.csv").write_text("\n".join(["hour,staff,calls", *lines]) + "\n")
    done = Workplace(folder).kelp("run", "calls.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_its_metrics_judge_the_candidate_and_its_variants(folder: Path) -> None:
    summary = json.loads((folder / "runs/calls/latest/summary.json").read_text())
    assert summary["metric"] == "deviance"
    assert summary["blessed"], summary["reasons"]
    metrics = summary["candidate"]["metrics"]
    assert set(metrics) == {"deviance", "distance", "rows"}
    # TFMA and the bootstrap compute it from the same rows.
    assert metrics["deviance"] == pytest.approx(summary["intervals"]["deviance"]["value"], 1e-6)
    assert {one["name"]: one["status"] for one in summary["variants"]} == {
        "float32": "blessed",
        "onnx": "blessed",
    }
    assert (folder / "runs/calls/latest/code/counts_task.py").is_file()
    assert (folder / "serving_models/calls/1/saved_model.pb").is_file()
