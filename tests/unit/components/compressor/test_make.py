"""A variant that cannot be made is reported, and is no error of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.compressor import make
from components.compressor.make import Sources, make_variant
from components.weights import make as weights
from contracts.errors import ModelError
from models.compression.spec import PrunedSpec, VariantSpec
from models.compression.training_artifacts import TrainingArtifacts
from models.training.config import TrainerSpec


def _material(folder: Path) -> TrainingArtifacts:
    trainer = TrainerSpec.model_validate(
        {
            "name": "flights",
            "seed": 1,
            "problem": {
                "task": "binary",
                "label": {"name": "y"},
                "features": {"x": {"type": "numeric"}},
            },
            "network": {"units": [6]},
            "training": {},
            "costs": {},
        }
    )
    return TrainingArtifacts(
        trainer=trainer,
        network_path=str(folder / "network.keras"),
        threshold=0.5,
        train_files=(),
        val_files=(),
        schema_path="",
        graph_path="",
    )


def _sources(folder: Path) -> Sources:
    weights = folder / "weights"
    (weights / "golden").mkdir(parents=True)
    (weights / "golden" / "outputs.npz").write_bytes(b"rows")
    facts = {"parameters": 7, "sparsity": 0.25, "layers": {}, "history": []}
    (weights / "weights.json").write_text(json.dumps(facts))
    candidate = folder / "candidate"
    candidate.mkdir()
    (candidate / "saved_model.pb").write_bytes(b"graph")
    return Sources(candidate=candidate, weights=weights, data="digest")


def _make(tmp_path: Path, weights: dict[str, Any], form: str) -> dict[str, Any]:
    spec = VariantSpec.model_validate({"name": "one", "weights": weights, "format": form})
    sources = _sources(tmp_path)
    make_variant(spec, _material(tmp_path), sources, tmp_path / "variant", 1)
    return json.loads((tmp_path / "variant" / "variant.json").read_text())


def test_float32_is_the_candidate_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(form: str, artifacts: TrainingArtifacts, folder: Path, *_: Any) -> None:
        assert form == "savedmodel_float32"
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"abc")

    monkeypatch.setattr(make, "convert", write)
    facts = _make(tmp_path, {"weights": "none"}, "savedmodel_float32")
    assert (facts["status"], facts["threshold"]) == ("made", 0.5)
    assert facts["network"] == {"parameters": 7, "sparsity": 0.25, "layers": {}}
    assert facts["lean"]["bytes"] == 3
    assert (tmp_path / "variant/model/saved_model.pb").read_bytes() == b"graph"
    assert (tmp_path / "variant/golden/outputs.npz").read_bytes() == b"rows"


def test_float32_is_made_where_its_lean_form_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ModelError("the conversion took too long")

    monkeypatch.setattr(make, "convert", fail)
    facts = _make(tmp_path, {"weights": "none"}, "savedmodel_float32")
    assert (facts["status"], facts["lean"]) == ("made", None)


def test_what_is_known_not_to_work_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "make_weights", lambda *_: pytest.fail("it was tried"))
    monkeypatch.setattr(make, "convert", lambda *_: pytest.fail("it was tried"))
    sources = _sources(tmp_path)
    pruned = PrunedSpec(weights="pruned", pattern="2:4", sparsity=0.5)
    weights.make_or_report(pruned, _material(tmp_path), sources.weights, 1)
    spec = VariantSpec(name="one", weights=pruned, format="tflite_float32")
    make_variant(spec, _material(tmp_path), sources, tmp_path / "variant", 1)
    facts = json.loads((tmp_path / "variant" / "variant.json").read_text())
    assert facts["status"] == "unsupported"
    assert "2:4" in facts["reason"]
    assert not (tmp_path / "variant/model").exists()


def test_a_converter_that_fails_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(form: str, artifacts: TrainingArtifacts, folder: Path, *_: Any) -> None:
        folder.mkdir(parents=True)
        (folder / "half").write_bytes(b"")
        raise ModelError("the conversion crashed", received="signal 11")

    monkeypatch.setattr(make, "convert", fail)
    facts = _make(tmp_path, {"weights": "none"}, "tflite_float32")
    assert (facts["status"], facts["reason"]) == ("failed", "the conversion crashed: signal 11")
    assert not (tmp_path / "variant/model").exists()


def test_weights_that_could_not_be_made_fail_their_variants(tmp_path: Path) -> None:
    sources = _sources(tmp_path)
    failure = {"status": "failed", "reason": "pruning took too long"}
    (sources.weights / "failure.json").write_text(json.dumps(failure))
    spec = VariantSpec.model_validate(
        {"name": "one", "weights": {"weights": "qat"}, "format": "tflite_float32"}
    )
    make_variant(spec, _material(tmp_path), sources, tmp_path / "variant", 1)
    facts = json.loads((tmp_path / "variant" / "variant.json").read_text())
    assert (facts["status"], facts["reason"]) == ("failed", "pruning took too long")
