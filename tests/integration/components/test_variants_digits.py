"""Variants of a small CNN that reads digits, judged each on its own; sabotage stops one alone."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from tensorflow.lite.python.schema_py_generated import TensorType
from tensorflow.lite.tools import flatbuffer_utils

from components.compressor import make
from components.compressor.make import MODEL_FOLDER, VARIANT_FILE, Sources, make_variant
from components.pusher.config import PushSpec
from components.variant_evaluator import evaluate
from components.variant_evaluator.evaluate import Setting, evaluate_variant
from components.variant_pusher.deliver import Made, deliver
from components.weights.make import make_or_report
from contracts.artifact import ARTIFACT_FILE, digest
from evidence.config import EvaluationSpec
from evidence.prediction_table import CANDIDATE, PredictionTable
from models.compression import weights
from models.compression.formats import conversion, tflite
from models.compression.runtimes import open_predictor, predict_table
from models.compression.spec import VariantsSpec
from models.data.raw_table import read_table

GATES = {"max_drop": 0.015, "tolerance": 0.2}
VARIANTS = {
    "float32": {"format": "savedmodel_float32"},
    "int8": {"format": "savedmodel_int8", "gates": GATES},
    "tflite": {"format": "tflite_float32"},
    "tflite_int8": {"format": "tflite_int8_dynamic", "gates": GATES},
    "full_int8": {"format": "tflite_int8_full", "gates": GATES},
}


class Judged:
    """Every variant, made and weighed as the pipeline does it."""

    def __init__(self, folder, world, candidate, artifacts):
        self.folder = folder
        self.candidate = candidate
        self.artifacts = artifacts
        self.specs = {one.name: one for one in VariantsSpec(variants=VARIANTS).resolved()}
        (folder / "weights").mkdir()
        report = weights.run(
            {
                "weights": {"weights": "none"},
                "artifacts": self.artifacts.model_dump(mode="json"),
                "folder": str(folder / "weights"),
            }
        )
        (folder / "weights" / weights.REPORT_FILE).write_text(json.dumps(report))
        for name in self.specs:
            self.make(name, folder / name)
        rows = read_table(sorted(map(str, (world.folder / "test").iterdir())), world.schema)
        self.table = PredictionTable(
            "multiclass",
            tuple(range(10)),
            {},
            rows["y"].to_numpy(),
            rows.drop_columns(["y"]),
            {CANDIDATE: predict_table(open_predictor(self.candidate), rows)},
        )
        spec = EvaluationSpec.model_validate({"metric": "accuracy", "resamples": 400})
        self.setting = Setting(spec, 7, (), 240)
        self.verdicts = {name: self.judge(name, folder / name) for name in self.specs}

    def make(self, name, folder):
        folder.mkdir()
        sources = Sources(self.candidate, self.folder / "weights", "the data")
        make_variant(self.specs[name], self.artifacts, sources, folder, 240)
        return folder

    def judge(self, name, folder):
        reference = self.folder / "float32"
        return evaluate_variant(
            self.specs[name], folder, reference, self.table, self.write_rows, self.setting
        )

    def write_rows(self, path):
        pq.write_table(self.table.keys, path, row_group_size=200)


@pytest.fixture(scope="module", autouse=True)
def few_timed_calls():
    """No test here is about how well an artifact is timed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "REPEATS", 10)
        yield


@pytest.fixture(scope="module")
def judged(worlds, trained, materials, tmp_path_factory):
    candidate, _ = trained("digits")
    artifacts, _ = materials("digits")
    with pytest.MonkeyPatch.context() as patch:
        _convert_in_this_process(patch)
        return Judged(tmp_path_factory.mktemp("digits"), worlds("digits"), candidate, artifacts)


def _convert_in_this_process(patch):
    """TFLite's converter, whose calibration can be patched then; the quantiser stays apart."""
    apart = make.convert

    def convert(form, artifacts, folder, timeout_s, lineage):
        if not form.startswith("tflite"):
            return apart(form, artifacts, folder, timeout_s, lineage)
        folder.mkdir(parents=True)
        return conversion.run(conversion.conversion_request(form, artifacts, folder, lineage))

    patch.setattr(make, "convert", convert)


def _copy(judged, name, target):
    """The same variant in a folder of its own, to be tampered with."""
    shutil.copytree(judged.folder / name, target)
    return target


def _blocked(verdict):
    return {gate.gate for gate in verdict.gates if gate.outcome == "block"}


def test_filters_in_eight_bits_are_blessed(judged):
    assert judged.verdicts["float32"].metrics["accuracy"].value > 0.9
    for name, verdict in judged.verdicts.items():
        assert (verdict.status, verdict.reasons) == ("blessed", []), name
        assert verdict.difference["accuracy"].value >= -0.01, name
        assert verdict.parity.rows == 100
        assert verdict.timing.rows_per_s > 0
    # Of full int8 the 64 inputs, each quantised on its own, weigh more than the weights do.
    sizes = {name: verdict.bytes for name, verdict in judged.verdicts.items()}
    assert sizes["tflite_int8"] < sizes["tflite"] < sizes["float32"]
    assert judged.verdicts["int8"].ratios["bytes"] < 1
    lean = judged.verdicts["int8"].reference.lean["bytes"]
    assert sizes["int8"] < lean < sizes["float32"]
    ratios = judged.verdicts["float32"].ratios
    assert (ratios["bytes"], ratios["lean_bytes"]) == (1, sizes["float32"] / lean)


def test_calibration_with_zeros_blocks_full_int8(judged, tmp_path, monkeypatch):
    _convert_in_this_process(monkeypatch)
    honest = tflite.calibration

    def zeros(*arguments):
        for batch in honest(*arguments):
            yield {name: value * 0 for name, value in batch.items()}

    monkeypatch.setattr(tflite, "calibration", zeros)
    verdict = judged.judge("full_int8", judged.make("full_int8", tmp_path / "zeros"))
    assert verdict.status == "refused"
    assert _blocked(verdict) == {"variant_parity", "variant_drop"}
    assert any("accuracy is worse than float32's by" in reason for reason in verdict.reasons)


def test_one_layers_scale_blocks_int8_alone_and_the_others_are_pushed(judged, tmp_path):
    folder = _copy(judged, "tflite_int8", tmp_path / "scaled")
    path = folder / MODEL_FOLDER / tflite.MODEL_FILE
    model = flatbuffer_utils.read_model(str(path))
    scaled = [
        tensor
        for tensor in model.subgraphs[0].tensors
        if tensor.type == TensorType.INT8
        and tensor.quantization is not None
        and len(tensor.shape) == 4
    ]
    scaled[-1].quantization.scale = np.float32(50) * np.array(scaled[-1].quantization.scale)
    flatbuffer_utils.write_model(model, str(path))
    description = folder / MODEL_FOLDER / ARTIFACT_FILE
    facts = json.loads(description.read_text())
    description.write_text(json.dumps(facts | {"sha256": digest(path.read_bytes())}))
    verdict = judged.judge("tflite_int8", folder)
    assert verdict.status == "refused"
    assert "variant_drop" in _blocked(verdict)

    made = [Made(judged.folder / name, result) for name, result in judged.verdicts.items()]
    made[list(judged.verdicts).index("tflite_int8")] = Made(folder, verdict)
    spec = PushSpec(root=str(tmp_path / "served"), artifacts=str(tmp_path / "shipped"))
    pushed = deliver("digits", made, spec, {"run": 1}, "{}")
    assert set(pushed) == {"int8", "tflite", "full_int8"}
    assert (tmp_path / "served" / "digits-int8" / "1" / "saved_model.pb").is_file()
    shipped = tmp_path / "shipped" / "digits" / "1"
    assert sorted(one.name for one in shipped.iterdir() if one.is_dir()) == ["full_int8", "tflite"]
    for name in ("full_int8", "tflite"):
        assert (shipped / name / ARTIFACT_FILE).is_file()
    assert deliver("digits", made, spec, {"run": 2}, "{}") == pushed


def test_a_tampered_constant_fails_parity(judged, tmp_path):
    folder = _copy(judged, "tflite", tmp_path / "tampered")
    path = folder / MODEL_FOLDER / ARTIFACT_FILE
    facts = json.loads(path.read_text())
    (pixel,) = [one for one in facts["preparation"]["features"] if one["column"] == "p20"]
    pixel["offset"] += 0.01
    path.write_text(json.dumps(facts))
    verdict = judged.judge("tflite", folder)
    assert verdict.status == "refused"
    # Too little for the metric to tell; the golden rows do.
    assert _blocked(verdict) == {"variant_parity"}
    assert judged.verdicts["tflite"].parity.max_difference <= 1e-5


def test_a_file_that_was_exchanged_does_not_run(judged, tmp_path):
    folder = _copy(judged, "tflite", tmp_path / "exchanged")
    other = judged.folder / "tflite_int8" / MODEL_FOLDER / tflite.MODEL_FILE
    (folder / MODEL_FOLDER / tflite.MODEL_FILE).write_bytes(other.read_bytes())
    verdict = judged.judge("tflite", folder)
    assert verdict.status == "failed"
    assert "is not the file that artifact.json describes" in verdict.reasons[0]
    assert (verdict.gates, verdict.bytes, verdict.metrics) == ([], None, {})


def test_what_cannot_be_made_is_reported_and_not_judged(judged, tmp_path):
    spec = VariantsSpec.model_validate(
        {"variants": {"thin": {"weights": "distilled", "scale": 0.01, "format": "onnx_float32"}}}
    ).resolved()[0]
    sources = Sources(judged.candidate, tmp_path / "weights", "the data")
    make_or_report(spec.weights, judged.artifacts, sources.weights, 240)
    make_variant(spec, judged.artifacts, sources, tmp_path, 240)
    content = json.loads((tmp_path / VARIANT_FILE).read_text())
    assert content["status"] == "unsupported"
    verdict = evaluate_variant(
        spec,
        tmp_path,
        judged.folder / "float32",
        judged.table,
        judged.write_rows,
        judged.setting,
    )
    assert (verdict.status, verdict.reasons) == ("unsupported", [content["reason"]])
    assert verdict.timing is None
