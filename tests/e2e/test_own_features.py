"""A kind of feature in a module of its user's, and a feature by a function: beside the config."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.decoys import write_decoys
from tests.e2e.conftest import REPOSITORY, Workplace

ROWS = 1500


def _write_parcels(path: Path) -> None:
    generator = np.random.default_rng(3)
    sizes = generator.integers(0, 3, ROWS)
    length = generator.uniform(10, 100, ROWS)
    weight = length * generator.uniform(0.1, 2.0, ROWS)
    late = sizes + 2 * (weight / length) + generator.normal(0, 0.6, ROWS) > 3
    rows = [
        f"{length[i]:.2f},{weight[i]:.2f},{['small', 'medium', 'large'][sizes[i]]},{int(late[i])}"
        for i in range(ROWS)
    ]
    path.write_text("\n".join(["length,weight,size,late", *rows]) + "\n")


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    return Workplace(folder).kelp("run", "parcels.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first run leaves behind, beside decoys of our packages."""
    folder = write_decoys(tmp_path_factory.mktemp("parcels"))
    shutil.copytree(REPOSITORY / "tests" / "own_features", folder, dirs_exist_ok=True)
    _write_parcels(folder / "parcels.csv")
    done = _run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_own_features_are_learned_from_measured_and_served(folder: Path) -> None:
    from models.export.loaded_model import load_model

    summary = json.loads((folder / "runs/parcels/latest/summary.json").read_text())
    assert summary["blessed"], summary["reasons"]
    assert summary["candidate"]["metrics"]["roc_auc"] > 0.8
    model = load_model(folder / "serving_models/parcels/1")
    assert model.types() == {"length": "number", "size": "text", "weight": "number"}
    assert [entry.feature for entry in model.encoding.features] == ["length", "size", "density"]
    stress = json.loads(next(folder.glob("runs/parcels/**/stress.json")).read_text())
    importance = {one["feature"]: one["drop"]["value"] for one in stress["importance"]}
    assert min(importance["size"], importance["density"]) > 0.02
    variants = {entry["name"]: entry["status"] for entry in summary["variants"]}
    assert variants == {"float32": "blessed", "onnx": "unsupported"}
    missing = {one["what"]: one["features"] for one in summary["not_measured"]}
    assert missing == {
        "data audit": ["size"],
        "stress": ["size", "density"],
        "slices": ["size"],
        "TFLite and ONNX variants": ["size", "density"],
        "baseline models": ["size"],
    }
    page = html.unescape((folder / "runs/parcels/latest/report.html").read_text())
    assert "data audit of size: not measured for this kind" in page
    recorded = folder / "runs/parcels/latest/code/my_project"
    assert {path.name for path in recorded.iterdir()} == {"sizes.py", "ratios.py", "logs.py"}


def test_a_mistake_is_reported_with_the_users_own_line(folder: Path) -> None:
    logs = folder / "my_project" / "logs.py"
    logs.write_text(logs.read_text().replace("tf.maximum(", "tf.greatest("))
    done = _run(folder)
    assert done.returncode != 0
    assert "my_project/logs.py, line 8" in done.stderr + done.stdout
    assert "tf.greatest" in done.stderr + done.stdout
