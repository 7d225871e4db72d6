"""A real SavedModel: REST gives what the process gives, and its log warms the next version up."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from contracts.names import serving_name
from contracts.prediction_log import LoggedRequest, to_record
from contracts.tfrecord import frame
from pipelines.commands.predict import predict
from pipelines.commands.serve import asking
from serving.client import Client
from serving.request_log.files import log_files
from serving.request_log.warm_up import read_log, write_warm_up
from serving.servable import load_servable
from tests.integration.serving.stack import Stack

ROWS = 1000
# Columns as a file may call them, and as a request has to.
AGE, COUNT, WHO = "_île (Straße)", "(self)", "who"
INPUTS = {
    serving_name(AGE): tf.float32,
    serving_name(COUNT): tf.int64,
    serving_name(WHO): tf.string,
}


class _Model(tf.Module):
    @tf.function(
        input_signature=[{name: tf.TensorSpec([None], INPUTS[name], name) for name in INPUTS}]
    )
    def serve(self, columns):
        age, count, who = (columns[name] for name in INPUTS)
        known = tf.where(tf.math.is_nan(age), 0.5, age)
        score = tf.sigmoid(known + 1e-3 * tf.cast(count, tf.float32))
        score += 1e-4 * tf.cast(tf.strings.length(who), tf.float32)
        return {"probabilities": score, "classes": tf.where(score > 0.5, "yes", "no")}


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "1"
    model = _Model()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory, version):
    folder = tmp_path_factory.mktemp("served")
    log = {"folder": folder / "log", "sample": 1, "leave_out": ["who"]}
    stack = Stack(folder, load=load_servable, request_log=log)
    (stack.root / "m").mkdir()
    (stack.root / "m" / "1").symlink_to(version)
    with stack:
        yield stack


def _rows():
    draw = np.random.default_rng(0)
    age = draw.normal(size=ROWS).astype(np.float32)
    words = draw.choice(["Ada", "Bob", "ü", 'a "quoted" one'], ROWS)
    return pa.table(
        {
            AGE: pa.array(age, mask=draw.random(ROWS) < 0.1),
            COUNT: draw.integers(-(2**40), 2**40, ROWS),
            WHO: pa.array(words.tolist(), mask=draw.random(ROWS) < 0.1),
        }
    )


def test_the_command_gives_the_same_by_rest_as_in_process(stack, version, tmp_path):
    pq.write_table(_rows(), tmp_path / "rows.parquet")
    with asking(f"{stack.server}/v1/models/m", None) as remote:
        predict(remote, tmp_path / "rows.parquet", tmp_path / "rest.parquet", None)
    predict(str(version), tmp_path / "rows.parquet", tmp_path / "local.parquet", None)
    rest, local = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("rest", "local"))
    assert rest.schema == local.schema
    assert rest.num_rows == ROWS
    assert rest["classes"] == local["classes"]
    np.testing.assert_allclose(rest["probabilities"], local["probabilities"], rtol=0, atol=1e-6)


def test_the_client_gives_the_same_as_the_model_itself(stack, version):
    values = (
        np.linspace(-3, 3, ROWS, dtype=np.float32),
        np.arange(ROWS),
        np.array([b"\xff", b"", b"a"] * (ROWS // 3) + [b"b"], object),
    )
    columns = dict(zip(INPUTS, values, strict=True))
    with Client(stack.proxy, "m") as client:
        answer = client.predict(columns)
    expected = load_servable(version).run("serving_default", columns)
    np.testing.assert_allclose(
        answer["probabilities"], expected["probabilities"], rtol=0, atol=1e-6
    )
    assert [one.encode() for one in answer["classes"]] == expected["classes"].tolist()


def test_the_log_warms_a_model_up(stack, version, tmp_path):
    with Client(stack.server, "m") as client:
        for number in range(5):
            client.predict(dict(zip(INPUTS, ([number], [number], ["somebody"]), strict=True)))
    folder = stack.spec.request_log.folder
    # The file stays open, and hidden, while the server runs; what is answered comes soon.
    found = []
    end = time.monotonic() + 30
    while not (found and len(list(read_log(found))) >= 5):
        assert time.monotonic() < end
        time.sleep(0.05)
        found = sorted((folder / "m").glob(".*.open"))
    assert log_files(folder, "m") == []
    assert b"somebody" not in found[0].read_bytes()
    servable = load_servable(version)
    copy = tmp_path / "1"
    shutil.copytree(version, copy)
    (copy / "assets.extra").mkdir()
    written = write_warm_up(
        found, copy / "assets.extra" / "tf_serving_warmup_requests", servable.signatures
    )
    assert written >= 5
    assert load_servable(copy).warm_up() == written


def test_records_are_tensorflow_servings(tmp_path):
    request = LoggedRequest(
        name="m",
        version=3,
        signature="serving_default",
        inputs={
            "x": np.array([[1.5, np.nan]], np.float32),
            "s": np.array([b"\xff\x00"], object),
            "i": np.array([2**62]),
        },
        outputs={"y": np.array([True])},
    )
    path = tmp_path / "log.tfrecord"
    path.write_bytes(frame(to_record(request, frozenset(), 0.25, 1_700_000_000.0)))
    (record,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    log = prediction_log_pb2.PredictionLog.FromString(record)
    asked = log.predict_log.request
    assert (asked.model_spec.name, asked.model_spec.version.value) == ("m", 3)
    assert asked.model_spec.signature_name == "serving_default"
    assert log.log_metadata.sampling_config.sampling_rate == 0.25
    assert log.log_metadata.timestamp_secs == 1_700_000_000
    for name, column in request.inputs.items():
        np.testing.assert_array_equal(tf.make_ndarray(asked.inputs[name]), column)
    np.testing.assert_array_equal(
        tf.make_ndarray(log.predict_log.response.outputs["y"]), request.outputs["y"]
    )
