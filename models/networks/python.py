"""A network of the user's own: a function from inputs and output to a Keras model.

The model must take the inputs by name and end as the task asks, so that every gate and format
works as it does for our own networks. Where all features go through one flat layer `features`,
`kelp explain` works too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
from pydantic import Field

from contracts.errors import ModelError
from models.networks import parts
from models.networks.kind import NetworkKind
from models.networks.ports import InputSpec, OutputSpec
from models.tasks import find_task
from models.user_code import ImportPath, call_function, describe_place

_ACTIVATIONS = {"binary": "sigmoid", "multiclass": "softmax", "regression": None}
_CHECKED_ROWS = 2
_PYTHON_OPERATIONS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_HELPERS = "models.networks.joined_features and models.networks.head do it"


class PythonSpec(NetworkKind):
    """A network of the user's own.

    Attributes:
      function: `package.module:function`, beside the config or installed; it is called with
        the inputs, the output and the options, and gives a functional Keras model.
      options: Its keyword arguments.
    """

    kind: Literal["python"]
    function: ImportPath
    options: dict[str, Any] = Field(default_factory=dict)

    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """Calls the user's function and checks what it gives.

        Raises:
          ConfigError: there is no such function, or it takes other arguments.
          ModelError: it raised, or gave something else than a model for these inputs and output.
        """
        network = call_function(self.function, tuple(inputs), output, **self.options)
        _check_model(self, network, keras_module)
        _check_inputs(self, network, inputs)
        _check_output(self, network, output)
        _check_saving(self, network)
        _check_answers(self, network, inputs, keras_module)
        return network

    def student_conflict(self, scale: float, members: int | None) -> str | None:
        """Only our own kinds can be made narrower."""
        return "a student is a narrower network, and only our own kinds can be made narrower"

    def rebuild_conflict(self) -> str | None:
        """The function builds its network under Keras 3."""
        return (
            "your function builds the network under Keras 3, so its formats can be changed and "
            "its weights cannot"
        )


def _check_model(spec: PythonSpec, network: Any, keras_module: Any) -> None:
    functional = isinstance(network, keras_module.Model) and getattr(network, "inputs", None)
    if not functional:
        raise _wrong(
            spec,
            "does not return a functional Keras model",
            "keras.Model(inputs=..., outputs=...)",
            type(network).__name__,
            "build it of keras.Input and layers: subclasses of keras.Model cannot be converted",
        )


def _check_inputs(spec: PythonSpec, network: Any, inputs: Sequence[InputSpec]) -> None:
    names = [port.name for port in inputs]
    received = network.input
    if not isinstance(received, dict) or set(received) != set(names):
        given = sorted(received) if isinstance(received, dict) else "no dict of inputs"
        raise _wrong(
            spec,
            "returns a model with other inputs than its features",
            f"a dict of {', '.join(names)}",
            str(given),
            _HELPERS,
        )


def _check_output(spec: PythonSpec, network: Any, output: OutputSpec) -> None:
    width = output.classes if find_task(output.task).form == "multiclass" else 1
    shape = getattr(network.output, "shape", None)
    if shape is None or tuple(shape) != (None, width):
        raise _wrong(
            spec,
            f"returns a model with another output than a {output.task} task needs",
            f"one output of shape (None, {width})",
            "several outputs" if shape is None else f"shape {tuple(shape)}",
            _HELPERS,
        )
    wanted = _ACTIVATIONS[find_task(output.task).form]
    last = network.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", "none")
    if wanted is not None and (activation != wanted or not hasattr(last, "kernel")):
        raise _wrong(
            spec,
            f"returns a model that does not end as a {output.task} task needs",
            f"a last layer Dense({width}, activation={wanted!r})",
            f"{type(last).__name__} {last.name!r} with activation {activation}",
            _HELPERS,
        )
    if network.output.dtype != "float32":
        raise _wrong(
            spec,
            "returns a model whose output is not float32",
            "float32, also with training.mixed_precision",
            str(network.output.dtype),
            _HELPERS,
        )


def _check_saving(spec: PythonSpec, network: Any) -> None:
    """Variants are made of the network as Keras saves it."""
    try:
        type(network).from_config(network.get_config())
    except Exception as error:
        raise _wrong(
            spec,
            "returns a model that Keras cannot save and load",
            "layers of Keras, or registered classes of your own with get_config()",
            str(error),
            "decorate your layers with @keras.saving.register_keras_serializable(); no Lambda",
        ) from error


def _check_answers(
    spec: PythonSpec, network: Any, inputs: Sequence[InputSpec], keras_module: Any
) -> None:
    entries = {port.name: parts.entry(i, port, keras_module) for i, port in enumerate(inputs)}
    rows = {
        name: np.zeros([_CHECKED_ROWS, *entry.shape[1:]], entry.dtype)
        for name, entry in entries.items()
    }
    try:
        answers = np.asarray(network(rows, training=False))
    except Exception as error:
        shapes = ", ".join(f"{name} {tuple(entry.shape)}" for name, entry in entries.items())
        raise _wrong(
            spec,
            "returns a model that does not take its features",
            f"inputs of these shapes: {shapes}",
            str(error),
            _HELPERS,
        ) from error
    if not np.isfinite(answers).all():
        raise _wrong(
            spec, "returns a model that answers with no number", "finite answers", str(answers), ""
        )
    if _calls_python(network, rows):
        raise _wrong(
            spec,
            "returns a model that calls Python, which no server has",
            "operations of keras.ops or TensorFlow",
            "tf.numpy_function or tf.py_function",
            "write what it does with keras.ops",
        )


def _calls_python(network: Any, rows: dict[str, Any]) -> bool:
    """Whether the graph calls a Python function of this process: a SavedModel would lack it."""
    import tensorflow as tf

    traced = tf.function(lambda given: network(given, training=False)).get_concrete_function(rows)
    graph = traced.graph.as_graph_def()
    nodes = chain(graph.node, *(function.node_def for function in graph.library.function))
    return any(node.op in _PYTHON_OPERATIONS for node in nodes)


def _wrong(spec: PythonSpec, what: str, expected: str, received: str, fix: str) -> ModelError:
    return ModelError(
        f"Your function {spec.function} {what}.",
        where=f"{describe_place(spec.function)}, key network.function",
        expected=expected,
        received=received,
        fix=fix,
    )
