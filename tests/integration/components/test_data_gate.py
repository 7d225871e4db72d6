"""The DataGate on real examples: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.artifacts import DataVerdict
from components.data_gate.component import DataGate
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from contracts.errors import GateError
from contracts.files import read_json
from models.features.spec import FeaturesSpec
from tests.audit_tables import problem, splits, with_column

BY_DAY = SplitSpec(by="key", columns=("day",))
_LISTS = {
    pa.int64(): lambda value: tf.train.Feature(int64_list=tf.train.Int64List(value=[value])),
    pa.float32(): lambda value: tf.train.Feature(float_list=tf.train.FloatList(value=[value])),
    pa.string(): lambda value: tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[value.encode()])
    ),
}


def _write_examples(folder: Path, table: pa.Table) -> None:
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "data.gz"), options) as writer:
        for row in table.to_pylist():
            features = {
                name: _LISTS[table.schema.field(name).type](value) for name, value in row.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def _artifacts(root: Path, tables: dict[str, pa.Table]) -> dict[str, Any]:
    """Examples, and what TFDV says of them, as artifacts."""
    # TFDV can be imported only after TFX, which stands in for a module that it lacks.
    import tensorflow_data_validation as tfdv

    kinds = {
        "examples": standard_artifacts.Examples,
        "statistics": standard_artifacts.ExampleStatistics,
        "anomalies": standard_artifacts.ExampleAnomalies,
        "inferred": standard_artifacts.Schema,
        "schema": standard_artifacts.Schema,
        "verdict": DataVerdict,
    }
    artifacts = {name: kind() for name, kind in kinds.items()}
    for name, artifact in artifacts.items():
        artifact.uri = str(root / name)
        if name in ("examples", "statistics", "anomalies"):
            artifact.split_names = artifact_utils.encode_split_names(list(tables))
    statistics = {
        split: tfdv.generate_statistics_from_dataframe(table.to_pandas())
        for split, table in tables.items()
    }
    schema = tfdv.infer_schema(statistics["train"], infer_feature_shape=False)
    io_utils.write_pbtxt_file(str(root / "inferred" / "schema.pbtxt"), schema)
    for split, table in tables.items():
        _write_examples(root / "examples" / f"Split-{split}", table)
        artifacts["examples"].set_int_custom_property(f"rows_{split}", table.num_rows)
        _write(root, "statistics", split, "FeatureStats.pb", statistics[split])
        anomalies = tfdv.validate_statistics(statistics[split], schema)
        _write(root, "anomalies", split, "SchemaDiff.pb", anomalies)
    return artifacts


def _write(root: Path, output: str, split: str, name: str, message: Any) -> None:
    folder = root / output / f"Split-{split}"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(message.SerializeToString())


def _gate(root: Path, tables: dict[str, pa.Table], of: FeaturesSpec, **spec: Any) -> None:
    DataGate.EXECUTOR_SPEC.executor_class._FUNCTION(
        **_artifacts(root, tables),
        problem=of.model_dump_json(),
        audit=AuditSpec.model_validate(spec).model_dump_json(),
        split=BY_DAY.model_dump_json(),
        source_digest="",
    )


def test_sound_data_pass_with_an_audit(tmp_path: Path) -> None:
    _gate(tmp_path, splits(), problem())
    audit = read_json(tmp_path / "verdict" / "audit.json")
    result = {(one["check"], one["feature"]): one["outcome"] for one in audit["checks"]}
    assert result["leakage", "amount"] == "pass"
    assert result["overlap", "day"] == "pass"
    assert {one["feature"] for one in audit["details"]["leakage"]} == set(problem().features)
    assert read_json(tmp_path / "verdict" / "findings.json") == []
    schema = io_utils.SchemaReader().read(str(tmp_path / "schema" / "schema.pbtxt"))
    assert isinstance(schema, schema_pb2.Schema)
    assert schema.tensor_representation_group


def test_a_warning_lets_the_data_through_and_is_reported(tmp_path: Path) -> None:
    tables = splits()
    tables["test"] = pa.concat_tables([tables["test"], tables["test"].slice(0, 40)])
    _gate(tmp_path, tables, problem())
    (finding,) = read_json(tmp_path / "verdict" / "findings.json")
    assert (finding["check"], finding["severity"], finding["split"]) == (
        "duplicates",
        "warn",
        "test",
    )
    assert finding["figure"] == pytest.approx(40 / 440)


def test_a_leak_and_a_shared_day_are_refused_by_name(tmp_path: Path) -> None:
    tables = splits()
    tables["test"] = pa.concat_tables([tables["test"], tables["train"].slice(0, 1)])
    tables = {
        name: with_column(table, "delay", table["late"].to_numpy() * 30 - 4)
        for name, table in tables.items()
    }
    with pytest.raises(GateError) as caught:
        _gate(tmp_path, tables, problem(delay={"type": "numeric"}))
    text = str(caught.value)
    assert "'delay' alone nearly decides the label 'late'" in text
    assert "overlap day (train, test)" in text
    assert len(caught.value.lines()) <= 10
    assert not (tmp_path / "schema").exists()
    audit = caught.value.audit
    assert audit is not None
    assert {one["check"] for one in audit["checks"] if one["outcome"] == "block"} == {
        "leakage",
        "overlap",
    }


def test_broken_columns_are_refused_before_they_are_audited(tmp_path: Path) -> None:
    tables = splits()
    tables["val"] = with_column(tables["val"], "late", [0] * 400)
    with pytest.raises(GateError, match="'late' has one class") as caught:
        _gate(tmp_path, tables, problem())
    assert caught.value.audit is None


def test_of_many_rows_what_can_be_counted_is_and_the_rest_is_sampled(tmp_path: Path) -> None:
    tables = splits()
    copied = tables["train"].slice(700, 8)
    tables["test"] = pa.concat_tables([tables["test"], with_column(copied, "day", [20_000] * 8)])
    reports = {}
    for name, rows in (("whole", 1_000_000), ("sampled", 1000)):
        _gate(tmp_path / name, tables, problem(), sample_rows=rows)
        reports[name] = read_json(tmp_path / name / "verdict" / "audit.json")
    assert reports["whole"]["sampled"] == []
    (said,) = reports["sampled"]["sampled"]
    assert said["all_rows"] == 2808
    assert said["rows"] == pytest.approx(1000, abs=110)
    counted = {"overlap", "sizes", "balance", "duplicates", "duplicates.across", "contradictions"}
    figures = {
        name: [one for one in report["checks"] if one["check"] in {*counted, "missing"}]
        for name, report in reports.items()
    }
    assert figures["sampled"] == figures["whole"]
    across = reports["sampled"]["details"]["duplicates"]["across"][1]
    assert (across["rows"], across["examples"][0]) == (8, {"train": 700, "test": 400})
    distinct = {
        name: [one["distinct"] for one in report["details"]["features"]]
        for name, report in reports.items()
    }
    assert distinct["sampled"] == distinct["whole"]
