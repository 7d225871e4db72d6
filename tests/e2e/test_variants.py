"""Variants through the command, as a user makes, changes and uses them.

The flights' columns have names here that CSV and Parquet can hold and that TensorFlow, a path
or a quoted text would stumble over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
import yaml

from tests.e2e.conftest import Workplace
from tests.integration.serving.served import ServerProcess

ODD_NAMES = {
    "carrier": "(type)",
    "origin": "Straße",
    "dest": "x/y",
    "tailnum": "_island",
    "flight": 'the "flight"',
    "month": "it's, or not",
    "temp": "île",
    "humid": "a.b",
    "visib": "1st  look",
    "precip": "🌧",
}

# The network of these few days is no better than chance allows: the gates are wide.
_WIDE = "gates: {max_drop: 1}"


def _variants(sparsity: float) -> str:
    return (
        "variants={float32: {format: savedmodel_float32}, "
        f"pruned: {{weights: pruned, sparsity: {sparsity}, epochs: 2, {_WIDE}}}, "
        f"pruned_lite: {{weights: shared, of: pruned, format: tflite_int8_dynamic, {_WIDE}}}, "
        f"lite: {{format: tflite_float32, {_WIDE}}}, "
        "strict: {format: tflite_int8_dynamic, gates: {max_drop: 0, max_bytes: 10}}, "
        "blocks: {weights: pruned, pattern: '2:4', sparsity: 0.5}}"
    )


# A layer that is no multiple of four wide cannot be pruned in blocks of four. What is judged
# here are the variants: that the candidate is blessed must not hang on four epochs.
_CANDIDATE = (
    "network.units=[64, 30]",
    "evaluation.bounds.roc_auc.min=0.5",
    "evaluation.baselines.majority=warn",
    "evaluation.slice_gate.severity=warn",
    "evaluation.stress={}",
    "evaluation.importance.enabled=false",
)


def _renamed(content: Any) -> Any:
    """The same config for the odd names."""
    if isinstance(content, dict):
        return {ODD_NAMES.get(key, key): _renamed(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_renamed(value) for value in content]
    return ODD_NAMES.get(content, content)


@pytest.fixture(scope="module")
def made(workplace: Workplace) -> Workplace:
    """A candidate of oddly named columns, and its variants."""
    for path in workplace.data.rglob("*.parquet"):
        table = pq.read_table(path)
        names = [ODD_NAMES.get(name, name) for name in table.column_names]
        pq.write_table(table.rename_columns(names), path)
    config = workplace.folder / "configs" / "flights.yaml"
    content = _renamed(yaml.safe_load(config.read_text()))
    config.write_text(yaml.safe_dump(content, allow_unicode=True))
    done = workplace.run(*_CANDIDATE, _variants(0.8), traced=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert workplace.summary["blessed"], workplace.summary["reasons"]
    return workplace


def test_each_variant_is_judged_and_pushed_by_itself(made: Workplace) -> None:
    summary = {entry["name"]: entry for entry in made.summary["variants"]}
    assert {name: entry["status"] for name, entry in summary.items()} == {
        "float32": "blessed",
        "pruned": "blessed",
        "pruned_lite": "blessed",
        "lite": "blessed",
        "strict": "refused",
        "blocks": "unsupported",
    }
    assert summary["pruned"]["sparsity"] == pytest.approx(0.8, abs=0.02)
    assert summary["pruned"]["ratios"]["gzip_bytes"] < 0.9
    assert summary["lite"]["parity"]["max_difference"] < 1e-5
    assert (
        "upper end" in summary["strict"]["reasons"][0] or "bytes" in summary["strict"]["reasons"][0]
    )
    assert "2:4" in summary["blocks"]["reasons"][0]
    assert {name for name, entry in summary.items() if entry["pushed_to"]} == {
        "float32",
        "pruned",
        "pruned_lite",
        "lite",
    }
    assert (made.folder / "serving_models/flights-pruned/1/saved_model.pb").is_file()
    assert (made.folder / "artifacts/flights/1/lite/artifact.json").is_file()
    assert not (made.folder / "artifacts/flights/1/strict").exists()
    assert set(made.summary["recommended"]) == {"server", "phone", "download"}


@pytest.fixture
def server(made: Workplace) -> Iterator[ServerProcess]:
    """The server of what was pushed."""
    process = ServerProcess(made.folder)
    yield process.ready()
    assert process.stop() == 0


def test_files_and_rest_give_the_same_answers(made: Workplace, server: ServerProcess) -> None:
    data = str(next(made.data.rglob("*.parquet")))
    url = ("--url", f"http://127.0.0.1:{server.port}")
    sources = (
        ("serving_models/flights",),
        ("artifacts/flights/1/lite",),
        ("flights", *url),
        ("flights-lite", *url),
    )
    answers = []
    for place, source in enumerate(sources):
        out = f"answers-{place}.csv"
        done = made.kelp("predict", *source, "--data", data, "--rows", "200", "--out", out)
        assert done.returncode == 0, done.stderr
        answers.append(csv.read_csv(made.folder / out))
    wanted, *others = answers
    assert wanted.num_rows == 200
    for answer in others:
        assert answer.column_names == wanted.column_names
        assert answer["probabilities"].to_numpy() == pytest.approx(
            wanted["probabilities"].to_numpy(), abs=1e-5
        )


def test_a_changed_sparsity_remakes_what_takes_those_weights_alone(made: Workplace) -> None:
    done = made.run(*_CANDIDATE, _variants(0.7))
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.rerun == {
        "Weights.pruned",
        "Compressor.pruned",
        "Compressor.pruned_lite",
        "VariantEvaluator.pruned",
        "VariantEvaluator.pruned_lite",
        "VariantPusher",
        "Tracker",
    }
    versions = made.folder / "serving_models" / "flights-pruned"
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]
    assert Path(made.summary["pushed_to"]).name == "1"
