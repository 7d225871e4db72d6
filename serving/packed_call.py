"""Calls a signature of many columns with one tensor for each type.

A call through the signature itself makes a tensor of each input and checks each in Python,
which for twenty columns takes longer than the model. Here the columns come as the rows of
one matrix, the graph splits them, and the graph is called without further ado. The last
step uses what TensorFlow does not promise to keep: who packs a signature must compare the
answers first, and keep the signature at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from serving.codec.layout import Columns, Layout, layout_of
from serving.codec.signature import Signature

# Small graphs, and these are all small, run fastest where no operation changes threads.
_EXECUTOR = "SINGLE_THREADED_EXECUTOR"


class PackedCall:
    """One signature, called with packed columns.

    Attributes:
      layout: How the columns have to be packed.

    Args:
      layout: See above.
      outputs: The names of what the call gives, in its order.
      execute: Takes the matrices and the other inputs, gives the output tensors.
    """

    def __init__(
        self,
        layout: Layout,
        outputs: Sequence[str],
        execute: Callable[[Sequence[np.ndarray]], Sequence[Any]],
    ) -> None:
        self.layout = layout
        self._outputs = outputs
        self._execute = execute
        self._others = [port.name for port in layout.others]

    def __call__(self, columns: Columns) -> dict[str, np.ndarray]:
        """Executes one batch; gives the outputs sorted by name."""
        arrays = [*columns.matrices, *(columns.others[name] for name in self._others)]
        tensors = self._execute(arrays)
        return {name: tensor.numpy() for name, tensor in zip(self._outputs, tensors, strict=True)}


def pack_signature(signature: Signature, call: Any) -> PackedCall | None:
    """Wraps a signature's function; None where packing gains nothing.

    Args:
      signature: What the function takes and gives.
      call: The function, as a loaded SavedModel has it.
    """
    layout = layout_of(signature)
    ports = [*signature.inputs.values(), *signature.outputs.values()]
    if any(port.shape is None or not port.shape for port in ports):
        return None
    function = _splitting(signature, layout, call).get_concrete_function()
    execute = _direct(function) or _public(function)
    return PackedCall(layout, sorted(signature.outputs), execute)


def _splitting(signature: Signature, layout: Layout, call: Any) -> Any:
    specs = [
        tf.TensorSpec([len(names), None], dtype)
        for names, dtype in zip(layout.groups, layout.dtypes, strict=True)
    ]
    specs += [tf.TensorSpec(port.shape, port.dtype) for port in layout.others]

    def split(*tensors: Any) -> list[Any]:
        columns: dict[str, Any] = {}
        for names, matrix in zip(layout.groups, tensors, strict=False):
            columns.update(zip(names, tf.unstack(matrix, num=len(names)), strict=True))
        for port, tensor in zip(layout.others, tensors[len(layout.groups) :], strict=True):
            columns[port.name] = tensor
        outputs = call(**columns)
        return [outputs[name] for name in sorted(signature.outputs)]

    return tf.function(split, input_signature=specs, autograph=False)


def _public(function: Any) -> Callable[[Sequence[np.ndarray]], Sequence[Any]]:
    def execute(arrays: Sequence[np.ndarray]) -> Sequence[Any]:
        tensors: Sequence[Any] = function(*map(tf.constant, arrays))
        return tensors

    return execute


def _direct(function: Any) -> Callable[[Sequence[np.ndarray]], Sequence[Any]] | None:
    """Calls the runtime without TensorFlow's Python in between; None if it has changed."""
    try:
        from tensorflow.python import pywrap_tfe
        from tensorflow.python.eager import context
        from tensorflow.python.framework.constant_op import convert_to_eager_tensor

        runtime = context.context()
        runtime.ensure_initialized()
        handle, device = runtime._handle, runtime.device_name
        name = function._inference_function.name.decode()
        options = {**runtime.function_call_options.as_attrs(), "executor_type": _EXECUTOR}
        captured = list(function.captured_inputs)
    except (ImportError, AttributeError):
        return None
    attributes = tuple(part for pair in options.items() for part in pair)
    count = len(function.outputs)

    def execute(arrays: Sequence[np.ndarray]) -> Sequence[Any]:
        tensors = [convert_to_eager_tensor(array, runtime) for array in arrays]
        outputs: Sequence[Any] = pywrap_tfe.TFE_Py_Execute(
            handle, device, name, [*tensors, *captured], attributes, count
        )
        return outputs

    # The function must outlive the name by which the runtime knows it.
    execute.__dict__["function"] = function
    return execute
