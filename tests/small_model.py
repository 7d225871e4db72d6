"""A small SavedModel, exported as the Trainer does it, without a transform graph to learn."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.columns import MISSING_INT
from models.data.representation import dense_schema
from models.export.saved_model import Serving, export
from models.features.spec import FeaturesSpec
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec

FEATURES = {
    "x": {"type": "numeric", "missing_indicator": True},
    "the count": {"type": "numeric"},
    "hour": {"type": "cyclic", "period": 24},
    "flag": {"type": "boolean"},
    "color": {"type": "categorical"},
    "code": {"type": "vocabulary", "embedding": 3},
}
KINDS = {"x": "FLOAT", "the count": "INT", "hour": "FLOAT", "flag": "INT"}
KINDS |= {"color": "BYTES", "code": "INT", "y": "BYTES"}
LABELS = {
    "binary": {"name": "y", "classes": ["no", "yes"]},
    "multiclass": {"name": "y", "classes": ["a", "b", "c"]},
    "regression": {"name": "y"},
}
PORTS = [
    InputSpec("x", "dense", 1),
    InputSpec("x_missing", "dense", 1),
    InputSpec("the count", "dense", 1),
    InputSpec("hour", "dense", 2),
    InputSpec("flag", "dense", 1),
    InputSpec("color", "one_hot", 4),
    InputSpec("code", "embedding", 6, 3),
]
# The first encoded column of each feature, and the width.
STARTS = {"x": 0, "the count": 2, "hour": 3, "flag": 5, "color": 6, "code": 10}
WIDTH = 13


class Transform(tf.Module):
    """What a transform graph would do, with constants for what it would learn."""

    def __call__(self, raw):
        known = tf.where(tf.math.is_nan(raw["x"]), 0.0, raw["x"])
        angle = raw["hour"] * (2 * np.pi / 24)
        count, code = raw["the count"], raw["code"]
        label = {"y": tf.zeros_like(known)[:, 0]} if "y" in raw else {}
        return label | {
            "x": known,
            "x_missing": tf.cast(tf.math.is_nan(raw["x"]), tf.float32),
            "the count": tf.where(count == MISSING_INT, 0.0, tf.cast(count, tf.float32) / 10),
            "hour": tf.concat([tf.sin(angle), tf.cos(angle)], axis=1),
            "flag": tf.where(raw["flag"] == MISSING_INT, 0.5, tf.cast(raw["flag"], tf.float32)),
            "color": tf.where(
                raw["color"] == "red", 0, tf.where(raw["color"] == "green", 1, [[3]])
            ),
            "code": tf.where((code >= 0) & (code < 5), code, tf.constant(5, tf.int64)),
        }


def problem(task):
    """The features and the label."""
    return FeaturesSpec.model_validate({"task": task, "label": LABELS[task], "features": FEATURES})


def schema(task):
    """The schema with dense representations."""
    plain = schema_pb2.Schema()
    for name, kind in {**KINDS, "y": "FLOAT" if task == "regression" else "BYTES"}.items():
        plain.feature.add(name=name, type=schema_pb2.FeatureType.Value(kind))
    return dense_schema(plain, problem(task))


def network(task, units=(8,), ports=PORTS, seed=1):
    """An untrained network."""
    keras.utils.set_random_seed(seed)
    output = OutputSpec(task, len(LABELS[task].get("classes", ())), mean=5.0, deviation=2.0)
    spec = MlpSpec(units=units, batch_norm=False, dropout=0.0)
    return build_network(spec, ports, output, keras)


def write(folder, task="binary", net=None, reference_rows=20):
    """Exports a model and gives its folder."""
    net = network(task) if net is None else net
    threshold = 0.4 if task == "binary" else None
    serving = Serving(problem(task), schema(task), Transform(), net, threshold)
    export(serving, Path(folder), sample(reference_rows))
    return Path(folder)


def sample(rows):
    """Transformed features of some rows."""
    generator = np.random.default_rng(0)
    sizes = {"color": 3, "code": 6}
    return {
        port.name: tf.constant(
            generator.integers(0, sizes[port.name], (rows, 1))
            if port.name in sizes
            else generator.normal(size=(rows, port.size)).astype(np.float32)
        )
        for port in PORTS
    }
