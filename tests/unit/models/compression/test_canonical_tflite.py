"""Equal TFLite files in any order of their operators become one file, and answer as before."""

import random
import re

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools.flatbuffer_utils import convert_bytearray_to_object as read
from tensorflow.lite.tools.flatbuffer_utils import convert_object_to_bytearray as write

from models.compression.formats.canonical_tflite import canonical_file

ROWS = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
SCALING = {schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE}
WEIGHTS = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)


class _Network(tf.Module):
    """A split whose parts become floats again, one by one, and two outputs."""

    @tf.function(input_signature=[tf.TensorSpec([None, 6], tf.float32)], autograph=False)
    def serve(self, x):
        functions = (tf.square, tf.sin, tf.cos) * 2  # none of them in int8
        parts = [apply(part) for apply, part in zip(functions, tf.split(x, 6, axis=1), strict=True)]
        mixed = tf.concat(parts[::-1], axis=1)
        return {"mixed": mixed @ WEIGHTS, "squared": tf.square(mixed)}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder, network = str(tmp_path_factory.mktemp("network")), _Network()
    tf.saved_model.save(network, folder, {"serving_default": network.serve})
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.exclude_conversion_metadata = True
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([ROWS[place : place + 5]] for place in (0, 5, 10))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter.convert()


def _kind(model, operator):
    return model.operatorCodes[operator.opcodeIndex].builtinCode


def _shuffled(content, seed):
    """The same graph: operators, kinds of them, tensors and buffers in another order."""
    draw, model = random.Random(seed), read(content)
    (graph,) = model.subgraphs
    made, waiting = {-1, *graph.inputs, *_constants(model)}, list(graph.operators)
    graph.operators = []
    while waiting:
        ready = [one for one in waiting if made.issuperset(one.inputs)]
        graph.operators.append(draw.choice(ready))
        made.update(graph.operators[-1].outputs)
        waiting.remove(graph.operators[-1])
    _shuffle_scaled_names(model, draw)
    new = np.append(_shuffle(graph, "tensors", draw), np.int32(-1))  # where an input is absent
    for holder in (graph, *graph.operators):
        holder.inputs, holder.outputs = new[holder.inputs], new[holder.outputs]
    for entry in (*model.signatureDefs[0].inputs, *model.signatureDefs[0].outputs):
        entry.tensorIndex = new[entry.tensorIndex]
    new = _shuffle(model, "operatorCodes", draw)
    for operator in graph.operators:
        operator.opcodeIndex = new[operator.opcodeIndex]
    new = _shuffle(model, "buffers", draw, first=1)
    for holder in (*graph.tensors, *model.metadata):
        holder.buffer = new[holder.buffer]
    return write(model)


def _constants(model):
    (graph,) = model.subgraphs
    made = {place for operator in graph.operators for place in operator.outputs}
    return set(range(len(graph.tensors))) - made


def _shuffle(holder, name, draw, first=0):
    """Gives the new place of each entry."""
    entries = getattr(holder, name)
    order = [*range(first), *draw.sample(range(first, len(entries)), len(entries) - first)]
    setattr(holder, name, [entries[place] for place in order])
    return np.argsort(order).astype(np.int32)  # as the schema has it


def _shuffle_scaled_names(model, draw):
    (graph,) = model.subgraphs
    scaled = [
        graph.tensors[operator.outputs[0]]
        for operator in graph.operators
        if _kind(model, operator) in SCALING and operator.outputs[0] not in graph.outputs
    ]
    series = {}
    for tensor in scaled:
        series.setdefault(re.sub(rb"\d*$", b"", tensor.name), []).append(tensor)
    for tensors in series.values():
        names = [tensor.name for tensor in tensors]
        for tensor, name in zip(tensors, draw.sample(names, len(names)), strict=True):
            tensor.name = name


def _answers(content):
    runner = Interpreter(model_content=content).get_signature_runner()
    return runner(x=ROWS)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_files_in_any_order_become_one_file(content, seed):
    assert canonical_file(_shuffled(content, seed)) == canonical_file(content)


def test_the_file_answers_as_before_to_the_bit(content):
    before = _answers(content)
    for given_content in (content, _shuffled(content, 1)):
        after = _answers(canonical_file(given_content))
        assert sorted(after) == ["mixed", "squared"]
        for name, values in after.items():
            np.testing.assert_array_equal(values, before[name])


def test_the_shuffled_file_was_another_and_its_order_stays(content):
    assert len({_shuffled(content, seed) for seed in range(5)}) == 5
    once = canonical_file(content)
    assert canonical_file(once) == once


def test_parts_become_floats_before_they_are_split(content):
    """The quantiser writes one or the other, by chance."""
    model = read(canonical_file(content))
    kinds = [_kind(model, operator) for operator in model.subgraphs[0].operators]
    place = kinds.index(schema.BuiltinOperator.SPLIT)
    assert kinds[place - 1] == schema.BuiltinOperator.DEQUANTIZE
    assert kinds.count(schema.BuiltinOperator.DEQUANTIZE) == 2
    assert model.operatorCodes[model.subgraphs[0].operators[place].opcodeIndex].version == 1


def test_the_data_of_buffers_begin_on_multiples_of_16_bytes(content):
    model = schema.Model.GetRootAs(canonical_file(content))
    buffers = [model.Buffers(place) for place in range(model.BuffersLength())]
    starts = [
        buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if buffer.DataLength()
    ]
    assert len(starts) == 3
    assert {start % 16 for start in starts} == {0}


def _with_state(model):
    model.subgraphs[0].tensors[-1].isVariable = True


def _with_resource(model):
    model.subgraphs[0].tensors[-1].type = schema.TensorType.RESOURCE


def _with_unread_operator(model):
    graph = model.subgraphs[0]
    graph.outputs = graph.outputs[:1]


def _with_control_dependencies(model):
    model.metadata.append(schema.MetadataT(b"model_control_dependencies", 0))


@pytest.mark.parametrize(
    "change", [_with_state, _with_resource, _with_unread_operator, _with_control_dependencies]
)
def test_a_file_whose_order_may_mean_something_stays_as_it_is(content, change):
    model = read(_shuffled(content, 1))
    change(model)
    changed = write(model)
    assert canonical_file(changed) is changed
