"""One order for a TFLite file: equal models give equal files in every process.

TensorFlow's quantiser walks over values in the order of their addresses in memory. It turns the
parts of a `Split` into floats in that order, or else, seldom, what the `Split` is given; and all
that follows is numbered after these operators, names too. Here the graph alone decides: operators
stand depth first from its outputs, each after those that it reads from, tensors as operators use
them, and buffers as tensors do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from itertools import chain
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

_ALIGNMENT = 16  # as the schema asks, and its Python classes do not
_ABSENT = -1  # in place of an optional input
_SCALED_NAMES = {
    schema.BuiltinOperator.QUANTIZE: b"quantized",
    schema.BuiltinOperator.DEQUANTIZE: b"dequantized",
}
_SPLIT_VALUES = {schema.BuiltinOperator.SPLIT: 1, schema.BuiltinOperator.SPLIT_V: 0}
_STATES = {schema.TensorType.RESOURCE, schema.TensorType.VARIANT}
_METADATA = {b"min_runtime_version"}  # the kinds that refer to no operator and no tensor
_LISTS = {"inputs", "outputs", "intermediates"}


def canonical_file(content: bytes) -> bytes:
    """Brings the operators, tensors and buffers of a TFLite file into one order.

    Args:
      content: The file, without the converter's metadata, which holds a hash of the old order.

    Returns:
      The file in its order, without what nothing reads. The same content where the order may
      have a meaning: operators keep a state, or act without an output that is read.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    if not _may_sort(model):
        return content
    for place, graph in enumerate(model.subgraphs):
        _split_floats(graph, model.operatorCodes)
        graph.operators = [graph.operators[operator] for operator in _operator_order(graph)]
        signatures = [one for one in model.signatureDefs or () if one.subgraphIndex == place]
        _number_tensors(graph, signatures)
        _name_scaled(graph, model.operatorCodes)
    _number_codes(model)
    _number_buffers(model)
    packed: bytes = flatbuffer_utils.convert_object_to_bytearray(model)
    return packed


def _split_floats(graph: Any, codes: list[Any]) -> None:
    """Turns what a `Split` is given into floats where all of its parts are turned into floats.

    The quantiser leaves it to chance which of the two it writes; the values are the same.
    """
    for split in [one for one in graph.operators if _kind(one, codes) in _SPLIT_VALUES]:
        place, parts = _SPLIT_VALUES[_kind(split, codes)], {*_numbers(split.outputs)}
        readers = [one for one in graph.operators if parts & {*_numbers(one.inputs)}]
        new = {int(one.outputs[0]): int(one.inputs[0]) for one in readers}
        value, floats = graph.tensors[split.inputs[place]], next(iter(new), _ABSENT)
        if (
            not readers
            or any(_kind(one, codes) != schema.BuiltinOperator.DEQUANTIZE for one in readers)
            or {*parts, *new} & {*_numbers(graph.outputs)}
            or any(not _has_scale_of(graph.tensors[part], value) for part in parts)
        ):
            continue
        plain = graph.tensors[floats]
        for part in parts:
            graph.tensors[part].type = plain.type
            graph.tensors[part].quantization = plain.quantization
        plain.shape, plain.shapeSignature = value.shape, value.shapeSignature
        graph.operators = [one for one in graph.operators if one not in readers[1:]]
        for operator in graph.operators:
            given = [new.get(one, one) for one in _numbers(operator.inputs)]
            operator.inputs = np.array(given, np.int32)
        readers[0].inputs = np.array([split.inputs[place]], np.int32)
        split.inputs[place] = floats
        split.opcodeIndex = _first_version(split, codes)


def _has_scale_of(tensor: Any, other: Any) -> bool:
    first, second = tensor.quantization, other.quantization
    return (
        first is not None
        and second is not None
        and np.array_equal(first.scale, second.scale)
        and np.array_equal(first.zeroPoint, second.zeroPoint)
    )


def _first_version(operator: Any, codes: list[Any]) -> int:
    """The place of the code of an operator on floats, which came before that on integers."""
    wanted = copy(codes[operator.opcodeIndex])
    wanted.version = 1
    for place, code in enumerate(codes):
        if vars(code) == vars(wanted):
            return place
    codes.append(wanted)
    return len(codes) - 1


def _kind(operator: Any, codes: Sequence[Any]) -> int:
    return int(codes[operator.opcodeIndex].builtinCode)


def _operator_order(graph: Any) -> list[int]:
    """The operators that the graph's outputs need, depth first, each after its sources."""
    sources = {
        tensor: place
        for place, operator in enumerate(graph.operators)
        for tensor in _numbers(operator.outputs)
    }
    order: dict[int, None] = {}
    waiting = [sources[tensor] for tensor in _numbers(graph.outputs)[::-1] if tensor in sources]
    while waiting:
        inputs = _numbers(graph.operators[waiting[-1]].inputs)
        missing = [sources[one] for one in inputs if one in sources and sources[one] not in order]
        if missing:
            waiting.extend(missing[::-1])
        else:
            order[waiting.pop()] = None
    return list(order)


def _may_sort(model: Any) -> bool:
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    return (
        all(len(_operator_order(graph)) == len(graph.operators) for graph in model.subgraphs)
        and not any(tensor.isVariable or tensor.type in _STATES for tensor in tensors)
        and {entry.name for entry in model.metadata or ()} <= _METADATA
        and model.metadataBuffer is None
        and not any(buffer.offset for buffer in model.buffers)
    )


def _number_codes(model: Any) -> None:
    """Numbers the kinds of operators as they come."""
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    numbers = _first_places(operator.opcodeIndex for operator in operators)
    for operator in operators:
        operator.opcodeIndex = numbers[operator.opcodeIndex]
    model.operatorCodes = [model.operatorCodes[old] for old in numbers]


def _number_tensors(graph: Any, signatures: Iterable[Any]) -> None:
    """Numbers tensors as they come: inputs, what operators read and give, outputs."""
    used = [
        _numbers(given)
        for operator in graph.operators
        for given in (operator.inputs, operator.outputs, operator.intermediates)
    ]
    in_order = chain(_numbers(graph.inputs), *used, _numbers(graph.outputs))
    numbers = _first_places(tensor for tensor in in_order if tensor != _ABSENT)
    # One more at the end: there an absent one stays absent.
    places = range(len(graph.tensors) + 1)
    new = np.array([numbers.get(old, _ABSENT) for old in places], np.int32)
    for holder in (graph, *graph.operators):
        for name in _LISTS & vars(holder).keys():
            if (old := getattr(holder, name)) is not None:
                setattr(holder, name, new[old])
    for signature in signatures:
        for entry in (*(signature.inputs or ()), *(signature.outputs or ())):
            entry.tensorIndex = int(new[entry.tensorIndex])
    graph.tensors = [graph.tensors[old] for old in numbers]


def _name_scaled(graph: Any, codes: Sequence[Any]) -> None:
    """Names what the quantiser's operators give: it has numbered them in its own order."""
    ends = {*_numbers(graph.inputs), *_numbers(graph.outputs)}
    for number, operator in enumerate(graph.operators):
        name = _SCALED_NAMES.get(_kind(operator, codes))
        for place in _numbers(operator.outputs):
            if name is not None and place not in ends:
                graph.tensors[place].name = b"%s_%d" % (name, number)


def _number_buffers(model: Any) -> None:
    """Numbers buffers as they come after the first, which is empty and always there."""
    holders = [
        *(tensor for graph in model.subgraphs for tensor in graph.tensors),
        *(model.metadata or ()),
    ]
    numbers = _first_places(chain([0], (holder.buffer for holder in holders)))
    for holder in holders:
        holder.buffer = numbers[holder.buffer]
    model.buffers = [_AlignedBuffer(model.buffers[old].data) for old in numbers]


class _AlignedBuffer:
    """A buffer whose data begin where LiteRT wants to read them."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def Pack(self, builder: Any) -> int:  # noqa: N802 (as the classes of the schema have it)
        """Appends the buffer."""
        if self._data is not None:
            payload = np.ascontiguousarray(self._data, np.uint8).data
            builder.StartVector(1, len(payload), _ALIGNMENT)
            builder.head -= len(payload)
            builder.Bytes[builder.head : builder.head + len(payload)] = payload
            data = builder.EndVector()
        schema.BufferStart(builder)
        if self._data is not None:
            schema.BufferAddData(builder, data)
        end: int = schema.BufferEnd(builder)
        return end


def _first_places(values: Iterable[int]) -> dict[int, int]:
    """Numbers values in the order in which they first come."""
    numbers: dict[int, int] = {}
    for value in values:
        numbers.setdefault(int(value), len(numbers))
    return numbers


def _numbers(array: Any) -> list[int]:
    """A list of tensors, which may be missing."""
    return [] if array is None else [int(value) for value in array]
