"""How a SavedModel names the classes."""

import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from models.export.saved_model import served_classes
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
