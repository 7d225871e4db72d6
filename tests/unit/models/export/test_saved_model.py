"""How a SavedModel names the classes, and what its files hold."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow_metadata.proto.v0 import schema_pb2

from models.export.saved_model import derive_identifier, save_module, served_classes
from models.features.spec import FeaturesSpec


@pytest.mark.parametrize(
    ("classes", "kind", "served"),
    [
        (None, "INT", (0, 1)),
        ([True, False], "INT", (1, 0)),
        ([1, 2], "BYTES", ("1", "2")),
        (["no", "yes"], "BYTES", ("no", "yes")),
    ],
)
def test_classes_are_of_the_labels_type_in_the_data(classes, kind, served):
    label = {"name": "y"} | ({} if classes is None else {"classes": classes})
    problem = FeaturesSpec.model_validate(
        {"task": "binary", "label": label, "features": {"x": {"type": "numeric"}}}
    )
    schema = schema_pb2.Schema()
    schema.feature.add(name="x", type=schema_pb2.FLOAT)
    schema.feature.add(name="y", type=schema_pb2.FeatureType.Value(kind))
    found = served_classes(problem, schema)
    assert found == served
    assert [type(value) for value in found] == [type(value) for value in served]


def test_equal_content_has_an_equal_fingerprint(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(2.0)
    serve = tf.function(lambda x: {"y": x * module.weight}, [tf.TensorSpec([None], tf.float32)])
    save_module(module, tmp_path, {"serving_default": serve})
    path = tmp_path / "fingerprint.pb"
    written = path.read_bytes()
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(written)
    fingerprint.uuid = "1"  # as drawn in another process
    path.write_bytes(fingerprint.SerializeToString())
    derive_identifier(path)
    assert path.read_bytes() == written
    fingerprint.checkpoint_hash += 1
    path.write_bytes(fingerprint.SerializeToString())
    derive_identifier(path)
    other = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
    assert other.uuid not in ("1", fingerprint_pb2.FingerprintDef.FromString(written).uuid)
    assert "serving_default" in tf.saved_model.load(str(tmp_path)).signatures


def test_a_graph_without_its_gradients_is_saved_without_them(tmp_path):
    # As TensorFlow's quantiser writes a network with silu, which has a gradient of its own.
    silu = tf.function(tf.nn.silu, [tf.TensorSpec([None], tf.float32)]).get_concrete_function()
    frozen = convert_variables_to_constants_v2(silu)
    serve = tf.function(lambda x: {"y": frozen(x)[0]}, [tf.TensorSpec([None], tf.float32)])
    with pytest.raises(ValueError, match="gradient"):
        save_module(tf.Module(), tmp_path / "with", {"serving_default": serve})
    save_module(tf.Module(), tmp_path / "without", {"serving_default": serve}, gradients=False)
    served = tf.saved_model.load(str(tmp_path / "without")).signatures["serving_default"]
    assert served(tf.constant([0.0, 20.0]))["y"].numpy().tolist() == [0.0, 20.0]
