"""A kind of feature, a task and a format, a module each, and a feature by a function.

They lie beside the config, and one run has them all.
"""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

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
    days = generator.poisson(0.3 * (sizes + 2 * weight / length))
    rows = [
        f"{length[i]:.2f},{weight[i]:.2f},{['small', 'medium', 'large'][sizes[i]]},{days[i]}"
        for i in range(ROWS)
    ]
    path.write_text("\n".join(["length,weight,size,days_late", *rows]) + "\n")


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    return Workplace(folder).kelp("run", "parcels.yaml")


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a first run, which took place beside decoys of our packages."""
    folder = write_decoys(tmp_path_factory.mktemp("parcels"))
    shutil.copytree(REPOSITORY / "tests" / "own_code", folder, dirs_exist_ok=True)
    _write_parcels(folder / "parcels.csv")
    done = _run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "runs/parcels/latest").resolve()


@pytest.fixture
def folder(first_run: Path) -> Path:
    """The folder of the config."""
    return first_run.parents[2]


@pytest.fixture
def summary(first_run: Path) -> dict[str, Any]:
    """Of the first run."""
    content: dict[str, Any] = json.loads((first_run / "summary.json").read_text())
    assert content["blessed"], content["reasons"]
    return content


def test_own_features_are_learned_from_measured_and_served(
    folder: Path, first_run: Path, summary: dict[str, Any]
) -> None:
    from models.export.loaded_model import load_model

    model = load_model(folder / "serving_models/parcels/1")
    assert model.types() == {"length": "number", "size": "text", "weight": "number"}
    assert [entry.feature for entry in model.encoding.features] == ["length", "size", "density"]
    stress = json.loads(next(folder.glob("runs/parcels/**/stress.json")).read_text())
    importance = {one["feature"]: one["drop"]["value"] for one in stress["importance"]}
    assert min(importance["size"], importance["density"]) > 0.02
    missing = {one["what"]: one["features"] for one in summary["not_measured"]}
    assert missing == {
        "data audit": ["size"],
        "stress": ["size", "density"],
        "slices": ["size"],
        "TFLite and ONNX variants": ["size", "density"],
        "baseline models": ["size"],
    }
    page = html.unescape((first_run / "report.html").read_text())
    assert "data audit of size: not measured for this kind" in page
    recorded = first_run / "code/my_project"
    names = ("sizes.py", "ratios.py", "logs.py", "counts.py", "formats.py")
    assert {path.name for path in recorded.iterdir()} == set(names)


def test_the_metrics_of_an_own_task_judge_the_candidate(summary: dict[str, Any]) -> None:
    assert summary["metric"] == "deviance"
    metrics = summary["candidate"]["metrics"]
    assert set(metrics) == {"deviance", "distance", "rows"}
    # TFMA and the bootstrap compute it from the same rows.
    assert metrics["deviance"] == pytest.approx(summary["intervals"]["deviance"]["value"], 1e-6)


def test_an_own_format_is_judged_and_pushed_as_ours_are(
    folder: Path, summary: dict[str, Any]
) -> None:
    from models.export.loaded_model import open_saved_model

    variants = {entry["name"]: entry for entry in summary["variants"]}
    assert {name: entry["status"] for name, entry in variants.items()} == {
        "float32": "blessed",
        "rounded": "blessed",
        "onnx": "unsupported",
    }
    assert variants["rounded"]["format"] == "my_project.formats:ROUNDED"
    assert 0 < variants["rounded"]["parity"]["max_difference"] < 0.05
    assert (
        "serving_default"
        in open_saved_model(folder / "serving_models/parcels-rounded/1").signatures
    )


def test_a_replay_comes_to_the_same_metrics(folder: Path, first_run: Path) -> None:
    before = sorted((folder / "serving_models").glob("*/*"))
    assert "metrics reproduced to 1e-06" in Workplace(folder).printed("replay", str(first_run))
    assert sorted((folder / "serving_models").glob("*/*")) == before


def test_a_mistake_is_reported_with_the_users_own_line(folder: Path) -> None:
    logs = folder / "my_project" / "logs.py"
    logs.write_text(logs.read_text().replace("tf.maximum(", "tf.greatest("))
    done = _run(folder)
    assert done.returncode != 0
    assert "my_project/logs.py, line 8" in done.stderr + done.stdout
    assert "tf.greatest" in done.stderr + done.stdout
