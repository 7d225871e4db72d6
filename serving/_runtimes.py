"""LiteRT and ONNX Runtime, each with one thread: from a model file's bytes to a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Loaded:
    """A model file in its runtime.

    Attributes:
      inputs: The names of its inputs.
      outputs: The names of its outputs.
      run: Gives the outputs by name for the inputs by name.
    """

    inputs: frozenset[str]
    outputs: frozenset[str]
    run: Callable[[Mapping[str, Array]], Mapping[str, Array]]


def load_lite(content: bytes) -> Loaded:
    """Loads a TFLite file into LiteRT.

    Raises:
      ValueError: LiteRT cannot load it.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        runner = Interpreter(model_content=content, num_threads=1).get_signature_runner()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    return Loaded(frozenset(inputs), frozenset(outputs), lambda tensors: runner(**tensors))


def load_onnx(content: bytes) -> Loaded:
    """Loads an ONNX file into ONNX Runtime.

    Raises:
      ValueError: ONNX Runtime cannot load it.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (RuntimeError, state.Fail, state.InvalidProtobuf, state.InvalidGraph) as error:
        raise ValueError(str(error)) from error
    names = [one.name for one in session.get_outputs()]

    def run(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        return dict(zip(names, session.run(names, dict(tensors)), strict=True))

    return Loaded(frozenset(one.name for one in session.get_inputs()), frozenset(names), run)
