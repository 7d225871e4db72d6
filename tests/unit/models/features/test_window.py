"""Windows: lists of numbers from Parquet to the transform, and to a served model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tensorflow_metadata.proto.v0 import schema_pb2

from components.example_gen.encode import encode
from components.example_gen.rows import make_units, read_unit
from components.example_gen.scan import merge_kinds, scan_file
from contracts.columns import RawInput, served_columns
from contracts.errors import DataError
from models.data.raw_table import TableDecoder
from models.data.representation import dense_schema, parse_rows, raw_input_specs
from models.data.row_keys import hash_rows
from models.encoders.windows.encoding import window_port
from models.encoders.windows.linear import LinearEncoder
from models.export.loaded_model import load_model
from models.export.saved_model import Serving, export, from_serving_columns, to_serving_columns
from models.features.spec import FeaturesSpec
from models.features.windows import fill_steps
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from tests.fixtures.ingest import ingest_spec

NAN = float("nan")
PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "regression",
        "label": {"name": "y"},
        "features": {"load": {"type": "window", "steps": 3}, "a": {"type": "numeric"}},
    }
)
PLAIN = schema_pb2.Schema(
    feature=[schema_pb2.Feature(name=name, type=schema_pb2.FLOAT) for name in ("load", "a", "y")]
)
SCHEMA = dense_schema(PLAIN, PROBLEM)
LISTS = [[1.0, None, 3.0], None, [4.0, 5.0, NAN]]
MATRIX = np.array([[1, NAN, 3], [NAN, NAN, NAN], [4, 5, NAN]], np.float32)
SPEC = ingest_spec("lists.parquet").model_copy(
    update={"columns": ("load", "a", "y"), "numbers": ("load", "a"), "lists": {"load": 3}}
)

windows = st.integers(2, 12).flatmap(
    lambda steps: st.lists(
        st.lists(
            st.one_of(st.just(NAN), st.floats(-100, 100, width=32)), min_size=steps, max_size=steps
        ),
        min_size=1,
        max_size=4,
    )
)


def _write(folder, lists, kind=None):
    kind = kind or pa.list_(pa.float64())
    table = pa.table(
        {
            "load": pa.array(lists, kind),
            "a": pa.array([1.0] * len(lists)),
            "y": pa.array([2.0] * len(lists)),
        }
    )
    path = folder / "lists.parquet"
    pq.write_table(table, path)
    return str(path)


def _read(path, spec=SPEC):
    scans = [scan_file(path, "parquet", spec)]
    kinds = merge_kinds(scans, spec)
    ((_, _, columns),) = read_unit(make_units(scans, [0])[0], spec, kinds)
    return columns


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.large_list(pa.float32())])
def test_lists_of_parquet_reach_the_parser_with_missing_steps_as_nan(tmp_path, kind):
    examples = encode(_read(_write(tmp_path, LISTS, kind)), SPEC.columns)
    parsed = parse_rows(tf.constant(examples), raw_input_specs(SCHEMA))
    np.testing.assert_array_equal(parsed["load"], MATRIX)
    assert parsed["a"].shape == (3, 1)
    table = TableDecoder(SCHEMA)(examples)
    np.testing.assert_array_equal(
        served_columns(table, {"load": RawInput("float32", (3,))})["load"], MATRIX
    )


def test_a_list_of_another_length_is_refused_with_its_place(tmp_path):
    path = _write(tmp_path, [[1.0, 2.0, 3.0], [1.0, 2.0]])
    with pytest.raises(DataError, match="'load' does not hold lists of 3 numbers") as caught:
        _read(path)
    assert caught.value.where == f"{path}, row 2, column 'load'"
    assert caught.value.received == "2 values"


def test_a_plain_column_is_no_window_and_lists_are_no_number(tmp_path):
    path = _write(tmp_path, [[1.0, 2.0, 3.0]])
    with pytest.raises(DataError, match="column a holds no lists"):
        scan_file(path, "parquet", SPEC.model_copy(update={"lists": {"load": 3, "a": 3}}))
    with pytest.raises(DataError, match="nested") as caught:
        scan_file(path, "parquet", SPEC.model_copy(update={"lists": {}}))
    assert "type window" in caught.value.fix
    (tmp_path / "rows.csv").write_text("load,a,y\n1,2,3\n")
    with pytest.raises(DataError, match="CSV does not have"):
        scan_file(str(tmp_path / "rows.csv"), "csv", SPEC)


def test_equal_lists_have_equal_hashes_and_the_order_of_steps_counts(tmp_path):
    def hashes(*lists):
        return hash_rows({"x": pa.array(list(lists), pa.list_(pa.float32(), 2))})

    same = hashes([1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [0.0, NAN], [-0.0, NAN])
    assert same[0] == same[1]
    assert same[3] == same[4]
    assert len(set(same.tolist())) == 3


def test_sizes_that_do_not_fit_are_refused():
    features = {"x": {"type": "window", "steps": 3}}
    with pytest.raises(ValidationError, match="predicts one value"):
        FeaturesSpec.model_validate(
            {"task": "regression", "label": {"name": "y", "steps": 2}, "features": features}
        )
    features["z"] = {"type": "window", "steps": 4, "columns": ["x"]}
    with pytest.raises(ValidationError, match="3 values a row for 'x', and 4 for 'z'"):
        FeaturesSpec.model_validate(
            {"task": "regression", "label": {"name": "y"}, "features": features}
        )


@settings(deadline=None, max_examples=40)
@given(windows)
def test_steps_are_filled_as_pandas_does(rows):
    frame = pd.DataFrame(np.array(rows, np.float32).T.astype(np.float64))
    tensor = tf.constant(np.array(rows, np.float32))[:, :, None]
    wanted = {
        "previous": frame.ffill().bfill(),
        "linear": frame.interpolate("linear", limit_direction="both"),
        "mean": frame,
    }
    for fill, expected in wanted.items():
        filled = fill_steps(tensor, fill).numpy()[:, :, 0]
        np.testing.assert_allclose(filled, expected.to_numpy().T, rtol=1e-5, atol=1e-4)


class _Transform(tf.Module):
    def __call__(self, raw):
        filled = fill_steps(raw["load"][:, :, None], "previous")
        load = tf.where(tf.math.is_nan(filled), 0.0, filled)
        known = tf.where(tf.math.is_nan(raw["a"]), 0.0, raw["a"])
        label = {"y": raw["y"][:, 0]} if "y" in raw else {}
        return {"load": load, "a": known, **label}


def test_a_saved_model_takes_a_list_a_row(tmp_path):
    import keras

    ports = [window_port("load", 3, LinearEncoder()), InputSpec("a", "dense", 1)]
    output = OutputSpec("regression", mean=0.0, deviation=1.0)
    network = build_network(MlpSpec(units=(4,), batch_norm=False), ports, output, keras)
    sample = {"load": tf.zeros([2, 3, 1]), "a": tf.zeros([2, 1])}
    export(Serving(PROBLEM, SCHEMA, _Transform(), network, None), tmp_path / "m", sample)

    model = load_model(tmp_path / "m")
    table = pa.table({"load": pa.array(LISTS, pa.list_(pa.float64())), "a": [1.0, None, 3.0]})
    columns = model.columns(table)
    assert columns["load"].shape == (3, 3)
    raw = from_serving_columns(PROBLEM, SCHEMA, columns)
    again = to_serving_columns(PROBLEM, SCHEMA, raw)
    np.testing.assert_array_equal(again["load"], MATRIX)
    wanted = network(_Transform()(raw), training=False)[:, 0]
    np.testing.assert_allclose(model.predict(columns), wanted, atol=1e-6)
