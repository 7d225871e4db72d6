"""Variants through the command, as a user makes, changes and uses them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv as csv
import pytest

from tests.e2e.conftest import Workplace

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


@pytest.fixture(scope="module")
def made(workplace: Workplace) -> Workplace:
    """A candidate and its variants."""
    done = workplace.run(*_CANDIDATE, _variants(0.8))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert workplace.summary["blessed"], workplace.summary["reasons"]
    return workplace


def test_each_variant_is_judged_and_pushed_by_itself(made: Workplace) -> None:
    told = {entry["name"]: entry for entry in made.summary["variants"]}
    assert {name: entry["status"] for name, entry in told.items()} == {
        "float32": "blessed",
        "pruned": "blessed",
        "pruned_lite": "blessed",
        "lite": "blessed",
        "strict": "refused",
        "blocks": "unsupported",
    }
    assert told["pruned"]["sparsity"] == pytest.approx(0.8, abs=0.02)
    assert told["pruned"]["ratios"]["gzip_bytes"] < 0.9
    assert told["lite"]["parity"]["max_difference"] < 1e-5
    assert "upper end" in told["strict"]["reasons"][0] or "bytes" in told["strict"]["reasons"][0]
    assert "2:4" in told["blocks"]["reasons"][0]
    assert {name for name, entry in told.items() if entry["pushed_to"]} == {
        "float32",
        "pruned",
        "pruned_lite",
        "lite",
    }
    assert (made.folder / "serving_models/flights-pruned/1/saved_model.pb").is_file()
    assert (made.folder / "artifacts/flights/1/lite/artifact.json").is_file()
    assert not (made.folder / "artifacts/flights/1/strict").exists()
    assert set(made.summary["recommended"]) == {"server", "phone", "download"}


def test_every_artifact_gives_the_same_answers(made: Workplace) -> None:
    data = str(next(made.data.rglob("*.parquet")))
    answers = []
    for artifact in ("serving_models/flights", "artifacts/flights/1/lite"):
        out = f"answers-{len(answers)}.csv"
        done = made.kelp("predict", artifact, "--data", data, "--rows", "200", "--out", out)
        assert done.returncode == 0, done.stderr
        answers.append(csv.read_csv(made.folder / out))
    served, lite = answers
    assert served.column_names == lite.column_names
    assert served["probabilities"].to_numpy() == pytest.approx(
        lite["probabilities"].to_numpy(), abs=1e-5
    )
    assert served.num_rows == 200


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
