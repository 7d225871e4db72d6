"""Holds a SavedModel against Keras's own answers, in a process that never saw Keras's model.

It loads with TensorFlow 2's loader and with the TF1 session loader, which reads a SavedModel
as TensorFlow Serving does. Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.errors import ModelError
from contracts.results.variant import Parity
from models.export.golden_rows import MARGIN, golden_columns, golden_examples, golden_outputs
from models.processes.isolated import call

_CLASSES = "classes"
_BOUNDARY = 1e-5
_FIX = "train again: kelp run CONFIG --from Trainer; the SavedModel is not what was trained"


def verify(model_dir: Path, golden_dir: Path, tolerance: float, timeout_s: float) -> Parity:
    """Compares in a fresh process, and refuses a model that answers otherwise than Keras did.

    Args:
      model_dir: The SavedModel.
      golden_dir: The golden rows.
      tolerance: The largest difference allowed.
      timeout_s: How long the process may take.

    Raises:
      ModelError: a difference exceeds the tolerance, or the model does not load in time.
    """
    report = _measure(model_dir, golden_dir, timeout_s)
    worst = max(report.differences, key=lambda name: report.differences[name])
    if not report.max_difference <= tolerance:
        raise ModelError(
            "the SavedModel answers otherwise than Keras did",
            where=f"{worst} of {model_dir}",
            expected=f"at most {tolerance:g} apart on {report.rows} golden rows",
            received=f"{report.max_difference:g} apart",
            fix=_FIX,
        )
    if report.wrong_classes:
        raise ModelError(
            "the SavedModel names other classes than Keras did",
            where=str(model_dir),
            expected="the same class in every golden row",
            received=f"another one in {report.wrong_classes} of {report.rows} rows",
            fix=_FIX,
        )
    return report


def _measure(model_dir: Path, golden_dir: Path, timeout_s: float) -> Parity:
    request = {"model_dir": str(model_dir), "golden_dir": str(golden_dir)}
    try:
        return Parity(
            **call(
                "models.export.saved_model_parity:run",
                request,
                timeout_s=timeout_s,
                what="loading the SavedModel",
            )
        )
    except ModelError as error:
        raise ModelError(
            "the SavedModel does not load and answer in a fresh process",
            where=str(model_dir),
            expected=error.expected,
            received=error.received or error.what,
            fix=_FIX,
        ) from error


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Compares in this process; see `verify`."""
    return compare(Path(request["model_dir"]), Path(request["golden_dir"])).model_dump()


def compare(
    model_dir: Path, golden_dir: Path, boundary: float = _BOUNDARY, model: Any = None
) -> Parity:
    """Loads the model by both loaders in this process and compares both signatures.

    Args:
      model_dir: The SavedModel.
      golden_dir: The golden rows.
      boundary: A row this close to where its class changes may have another class.
      model: What TensorFlow 2's loader gave, where it has loaded the model already.
    """
    golden = golden_outputs(golden_dir)
    margin = golden.pop(MARGIN, None)
    inputs: dict[str, Inputs] = {
        "serving_default": golden_columns(golden_dir),
        "examples": np.array(golden_examples(golden_dir), dtype=object),
    }
    differences: dict[str, float] = {}
    wrong = 0
    for loader, answer in (("tf2", _load_tf2(model_dir, model)), ("tf1", _load_tf1(model_dir))):
        for signature, values in inputs.items():
            outputs = answer(signature, values)
            for name, expected in golden.items():
                if name == _CLASSES:
                    wrong += _wrong_classes(expected, outputs[name], margin, boundary)
                else:
                    key = f"{loader}/{signature}/{name}"
                    differences[key] = _difference(
                        expected, outputs[name], _away(margin, boundary, name)
                    )
    rows = len(next(iter(golden.values())))
    return Parity(
        rows=rows,
        max_difference=max(differences.values()),
        differences=differences,
        wrong_classes=wrong,
    )


def _away(margin: Array | None, boundary: float, name: str) -> Array | None:
    """The rows away from the boundary between two classes, where an output jumps there."""
    return margin > boundary if name == "decisions" and margin is not None else None


def _difference(expected: Array, received: Array, rows: Array | None) -> float:
    if expected.shape != received.shape:
        raise ValueError(f"shape {received.shape}, expected {expected.shape}")
    gap = np.abs(expected.astype(np.float64) - received.astype(np.float64))
    # A price of 4,000 in float32 is exact to 2e-4: what is larger than 1 counts in its own unit.
    gap /= np.maximum(1.0, np.abs(expected.astype(np.float64)))
    if rows is not None:
        gap = gap[rows]
    worst = float(gap.max(initial=0.0))
    return worst if math.isfinite(worst) else math.inf


def _wrong_classes(expected: Array, received: Array, margin: Array | None, boundary: float) -> int:
    unequal = expected != received
    if margin is not None:
        unequal = unequal & (margin > boundary)
    return int(np.count_nonzero(unequal))


# The values of each input, or those of the only one.
Inputs = Mapping[str, Array] | Array
Caller = Callable[[str, Inputs], dict[str, Array]]


def _named(values: Inputs, names: Iterable[str]) -> Mapping[str, Array]:
    if isinstance(values, np.ndarray):
        (name,) = names
        return {name: values}
    return values


def _load_tf2(model_dir: Path, loaded: Any) -> Caller:
    import tensorflow as tf

    model = tf.saved_model.load(str(model_dir)) if loaded is None else loaded

    def call(signature: str, values: Inputs) -> dict[str, Array]:
        function = model.signatures[signature]
        columns = _named(values, function.structured_input_signature[1])
        outputs = function(**{name: tf.constant(value) for name, value in columns.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return call


def _load_tf1(model_dir: Path) -> Caller:
    import tensorflow as tf

    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(model_dir))

    def call(signature: str, values: Inputs) -> dict[str, Array]:
        definition = meta.signature_def[signature]
        columns = _named(values, definition.inputs)
        feed = {definition.inputs[name].name: value for name, value in columns.items()}
        fetch = {name: info.name for name, info in definition.outputs.items()}
        outputs: dict[str, Array] = session.run(fetch, feed)
        return outputs

    return call
