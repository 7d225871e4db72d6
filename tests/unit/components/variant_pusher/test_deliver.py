"""Where blessed variants go."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from components.pusher.config import PushSpec
from components.variant_pusher.deliver import Made, deliver
from contracts.results.variant import VariantVerdict
from contracts.storage.staging import stage
from models.export.golden_rows import write_golden

FORMATS = {
    "float32": ("savedmodel_float32", "savedmodel"),
    "int8": ("savedmodel_int8", "savedmodel"),
    "lite": ("tflite_int8_dynamic", "tflite"),
    "onnx": ("onnx_float32", "onnx"),
}


def _made(folder: Path, name: str, status: str = "blessed", content: str = "a") -> Made:
    form, kind = FORMATS[name]
    target = folder / name
    (target / "model").mkdir(parents=True, exist_ok=True)
    (target / "model" / "model.bin").write_text(f"{name} {content}")
    column = {"x": np.arange(3, dtype=np.float32)}
    write_golden(target / "golden", [b"", b"", b""], column, {"probabilities": column["x"]})
    verdict = {
        "name": name,
        "weights": {"weights": "none"},
        "format": form,
        "kind": kind,
        "status": status,
        "metric": "auc",
        "higher_is_better": True,
    }
    return Made(target, VariantVerdict.model_validate(verdict))


def _spec(folder: Path) -> PushSpec:
    return PushSpec(root=str(folder / "serving"), artifacts=str(folder / "artifacts"))


def test_each_kind_goes_where_its_runtime_looks(tmp_path: Path) -> None:
    made = [_made(tmp_path / "made", name) for name in FORMATS]
    pushed = deliver("flights", made, _spec(tmp_path), {"candidate": "serving/flights/4"}, "{}")
    assert pushed == {
        "int8": str(tmp_path / "serving/flights-int8/1"),
        "lite": str(tmp_path / "artifacts/flights/1/lite"),
        "onnx": str(tmp_path / "artifacts/flights/1/onnx"),
    }
    served = tmp_path / "serving/flights-int8/1"
    assert (served / "model.bin").read_text() == "int8 a"
    assert (served / "assets.extra/tf_serving_warmup_requests").stat().st_size > 0
    facts = json.loads((served / "assets.extra/kelp.json").read_text())
    assert (served / "assets.extra/raw_format.json").read_text() == "{}\n"
    assert facts["lineage"] == {"candidate": "serving/flights/4"}
    assert not (tmp_path / "serving/flights").exists()


def test_only_the_blessed_are_pushed(tmp_path: Path) -> None:
    made = [
        _made(tmp_path / "made", "int8", "refused"),
        _made(tmp_path / "made", "lite", "failed"),
        _made(tmp_path / "made", "onnx"),
    ]
    assert set(deliver("flights", made, _spec(tmp_path), {}, "{}")) == {"onnx"}
    assert not (tmp_path / "serving").exists()
    shipped = tmp_path / "artifacts/flights/1"
    assert sorted(path.name for path in shipped.iterdir()) == ["kelp.json", "onnx"]


def test_the_same_bytes_are_not_pushed_twice_and_others_are_a_version_more(
    tmp_path: Path,
) -> None:
    spec, folder = _spec(tmp_path), tmp_path / "made"
    first = deliver("flights", [_made(folder, "int8"), _made(folder, "lite")], spec, {}, "{}")
    assert (
        deliver("flights", [_made(folder, "int8"), _made(folder, "lite")], spec, {}, "{}") == first
    )
    changed = [_made(folder, "int8", content="b"), _made(folder, "lite")]
    second = deliver("flights", changed, spec, {}, "{}")
    assert second["int8"].endswith("flights-int8/2")
    assert second["lite"] == first["lite"]
    # Raw files that are written another way need another description, if not another model.
    assert deliver("flights", changed, spec, {}, '{"decimal": ","}')["int8"].endswith("int8/3")


def test_variants_go_to_a_bucket_and_are_not_pushed_twice(tmp_path: Path, bucket: str) -> None:
    made = [_made(tmp_path / "made", name) for name in ("int8", "lite")]
    spec = PushSpec(root=f"s3://{bucket}/serving", artifacts=f"s3://{bucket}/artifacts/")
    first = deliver("flights", made, spec, {}, "{}")
    assert first == {
        "int8": f"s3://{bucket}/serving/flights-int8/1",
        "lite": f"s3://{bucket}/artifacts/flights/1/lite",
    }
    assert deliver("flights", made, spec, {}, "{}") == first
    again = [_made(tmp_path / "made", "int8", content="b"), made[1]]
    assert deliver("flights", again, spec, {}, "{}")["int8"].endswith("serving/flights-int8/2")
    staged = stage(f"s3://{bucket}/artifacts/flights/1")
    assert (staged / "lite" / "model.bin").read_text() == "lite a"
