"""An ONNX file is the same whatever names its constants were converted with."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.compression.formats.onnx import name_constants


def _model(factor, term):
    """x * 2 + 3, with these names of its constants, in their alphabetical order."""
    values = {factor: 2.0, term: 3.0}
    constants = [
        numpy_helper.from_array(np.array([values[name]], np.float32), name)
        for name in sorted(values)
    ]
    port = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None]) for n in ("x", "y")]
    nodes = [
        helper.make_node("Mul", ["x", factor], ["scaled"], name="scale"),
        helper.make_node("Add", ["scaled", term], ["y"], name="shift"),
    ]
    graph = helper.make_graph(nodes, "line", port[:1], port[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_constants_are_named_by_their_first_use():
    first, second = _model("range_1", "range_2"), _model("range_2", "range_1")
    assert first.SerializeToString() != second.SerializeToString()
    for model in (first, second):
        name_constants(model.graph)
    assert first.SerializeToString() == second.SerializeToString()
    names = [constant.name for constant in first.graph.initializer]
    assert names == ["scale/input_1", "shift/input_1"]
    (answer,) = ReferenceEvaluator(first).run(None, {"x": np.array([5.0], np.float32)})
    assert answer.tolist() == [13.0]
