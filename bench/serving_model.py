"""The model of the serving benchmark: twenty named columns, prepared in the graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FLOATS = tuple(f"float_{place}" for place in range(13))
WHOLES = tuple(f"whole_{place}" for place in range(3))
TEXTS = tuple(f"text_{place}" for place in range(4))
WORDS = 100
WIDTH = 32
SEED = 11


def write_model(folder: Path) -> None:
    """Writes a SavedModel with warm-up requests.

    Args:
      folder: The version's folder.
    """
    import tensorflow as tf

    model = _module()
    specs = {name: tf.TensorSpec([None], dtype) for name, dtype in columns().items()}
    call = model.call.get_concrete_function(**specs)
    tf.saved_model.save(model, str(folder), signatures={"serving_default": call})
    _write_warmup(folder, rows(8))


def columns() -> dict[str, str]:
    """The model's inputs and their types."""
    return {
        **dict.fromkeys(FLOATS, "float32"),
        **dict.fromkeys(WHOLES, "int64"),
        **dict.fromkeys(TEXTS, "string"),
    }


def rows(count: int) -> list[dict[str, Any]]:
    """Rows as a client has them."""
    random = np.random.default_rng(SEED)
    return [
        {
            **{name: round(float(random.normal()), 4) for name in FLOATS},
            **{name: int(random.integers(1000)) for name in WHOLES},
            **{name: f"word {random.integers(WORDS)}" for name in TEXTS},
        }
        for _ in range(count)
    ]


def body(count: int) -> bytes:
    """The body of a request with some rows."""
    return json.dumps({"instances": rows(count)}).encode()


def _module() -> Any:
    import tensorflow as tf

    random = np.random.default_rng(SEED)

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            keys = [f"word {place}" for place in range(WORDS)]
            self.tables = [
                tf.lookup.StaticHashTable(
                    tf.lookup.KeyValueTensorInitializer(keys, tf.range(1, WORDS + 1)), 0
                )
                for _ in TEXTS
            ]
            self.places = [_weights(random, WORDS + 1, 8) for _ in TEXTS]
            wide = len(FLOATS) * 2 + len(WHOLES) + 8 * len(TEXTS)
            self.hidden = [_weights(random, wide, WIDTH), _weights(random, WIDTH, WIDTH)]
            self.last = _weights(random, WIDTH, 1)

        @tf.function
        def call(self, **inputs: Any) -> dict[str, Any]:
            parts = []
            for name in FLOATS:
                missing = tf.math.is_nan(inputs[name])
                parts += [tf.where(missing, 0.0, inputs[name]), tf.cast(missing, tf.float32)]
            parts += [tf.cast(inputs[name], tf.float32) / 1000 for name in WHOLES]
            vectors = [
                tf.gather(place, table.lookup(inputs[name]))
                for name, table, place in zip(TEXTS, self.tables, self.places, strict=True)
            ]
            hidden = tf.concat([tf.stack(parts, axis=1), *vectors], axis=1)
            for weights in self.hidden:
                hidden = tf.nn.relu(hidden @ weights)
            probability = tf.sigmoid(hidden @ self.last)[:, 0]
            return {
                "probabilities": probability,
                "classes": tf.cast(probability > 0.5, tf.int64),
            }

    return Model()


def _weights(random: np.random.Generator, *shape: int) -> Any:
    import tensorflow as tf

    return tf.Variable(random.normal(0, 0.3, shape).astype(np.float32))


def _write_warmup(folder: Path, sample: list[dict[str, Any]]) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for row in sample:
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = "serving_default"
            for name, dtype in columns().items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto([row[name]], dtype))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
