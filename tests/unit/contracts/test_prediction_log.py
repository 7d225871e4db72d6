"""Records without TensorFlow are those that TensorFlow Serving reads."""

from __future__ import annotations

import numpy as np

from components.pusher.warmup import write_warmup
from contracts.tfrecord import frame, read_records


def test_tensorflow_reads_warm_up_requests(tmp_path):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    columns = {
        "x": np.array([1.5, np.nan, 2.0], np.float32),
        "n": np.array([1, -(2**63), 3]),
        "word": np.array([b"a\0", b"", "ä".encode()], object),
    }
    path = tmp_path / "requests"
    assert write_warmup(path, "toy", columns, 2) == 2
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    requests = [
        prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        for record in records
    ]
    for row, request in enumerate(requests):
        assert (request.model_spec.name, request.model_spec.signature_name) == (
            "toy",
            "serving_default",
        )
        assert not request.model_spec.HasField("version")
        assert sorted(request.inputs) == ["n", "word", "x"]
        for name, column in columns.items():
            tensor = tf.make_ndarray(request.inputs[name])
            np.testing.assert_array_equal(tensor, column[row : row + 1])
    assert len(requests) == 2


def test_records_are_those_of_tensorflow(tmp_path):
    import tensorflow as tf

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    rows = [b"", b"one", b"\0" * 1000]
    ours.write_bytes(b"".join(map(frame, rows)))
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for row in rows:
            writer.write(row)
    assert ours.read_bytes() == theirs.read_bytes()
    assert list(read_records(theirs)) == rows
