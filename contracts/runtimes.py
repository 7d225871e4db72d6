"""LiteRT and ONNX Runtime, each with one thread: from a model file's bytes to a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contracts.arrays import Array

# With one of these, what a file computes may take any time: loops, branches, and outputs as
# large as a value says.
_UNSTEADY_LITE = frozenset(
    ("BROADCAST_TO", "CALL", "CALL_ONCE", "CUSTOM", "FILL", "IF", "RANGE", "STABLEHLO_WHILE")
) | {"TILE", "WHILE"}
_UNSTEADY_ONNX = ("ConstantOfShape", "Expand", "If", "Loop", "Range", "Scan", "Tile")
_OP_TYPE = b"\x22"  # the tag of a node's op_type in an ONNX file


@dataclass(frozen=True)
class Loaded:
    """A model file in its runtime.

    Attributes:
      inputs: The names of its inputs.
      outputs: The names of its outputs.
      run: Gives the outputs by name for the inputs by name.
      steady: Whether the shapes of the inputs alone decide how long `run` takes.
    """

    inputs: frozenset[str]
    outputs: frozenset[str]
    run: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    steady: bool


def load_lite(content: bytes) -> Loaded:
    """Loads a TFLite file into LiteRT.

    Raises:
      ValueError: LiteRT cannot load it.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        runner = interpreter.get_signature_runner()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    steady = not _UNSTEADY_LITE & {one["op_name"] for one in interpreter._get_ops_details()}
    return Loaded(frozenset(inputs), frozenset(outputs), lambda tensors: runner(**tensors), steady)


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

    # The runtime does not list the operations of a file; their names stand in it.
    marks = [_OP_TYPE + bytes([len(name)]) + name.encode() for name in _UNSTEADY_ONNX]
    steady = not any(mark in content for mark in marks)
    inputs = frozenset(one.name for one in session.get_inputs())
    return Loaded(inputs, frozenset(names), run, steady)


@dataclass(frozen=True)
class Runtime:
    """What executes a model file.

    Attributes:
      title: What people call it.
      load: Loads the bytes of a file; raises ValueError where it cannot.
    """

    title: str
    load: Callable[[bytes], Loaded]


RUNTIMES: dict[str, Runtime] = {
    "tflite": Runtime("LiteRT", load_lite),
    "onnx": Runtime("ONNX Runtime", load_onnx),
}
