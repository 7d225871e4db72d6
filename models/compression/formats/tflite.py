"""TFLite files: numbers after the transform in, `artifact.json` beside them.

Conversion goes through a SavedModel of the network alone: from concrete functions the
converter drops Keras 3's weights without a word.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from contracts.artifact import ROWS_AT_ONCE
from contracts.errors import ModelError
from models.compression.formats.canonical_tflite import canonical_file
from models.compression.formats.numeric import (
    OUTPUT,
    SIGNATURE,
    ports,
    save_network,
    to_tensors,
    without_loops,
)
from models.compression.formats.table import FORMATS, FileSignature
from models.compression.training_artifacts import Opened
from models.networks.memory import rows_at_once

MODEL_FILE = FORMATS["tflite"].file

CALIBRATION_ROWS = 1000
_CALIBRATION_BATCH = 50


def write_tflite(precision: str, opened: Opened, folder: Path) -> FileSignature:
    """Writes `model.tflite`."""
    with tempfile.TemporaryDirectory(prefix="kelp-tflite-") as scratch:
        network = without_loops(opened.network())
        save_network(opened, network, Path(scratch))
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=[SIGNATURE])
        _configure(converter, precision, opened)
        content = converter.convert()
    if precision == "int8_full":
        content = canonical_file(content)  # files of the others come out equal
    (folder / MODEL_FILE).write_bytes(content)
    _require_built_in(content)
    return FileSignature(ports(opened), OUTPUT, rows_at_once(network, ROWS_AT_ONCE))


def _configure(converter: Any, precision: str, opened: Opened) -> None:
    # No EXPERIMENTAL_SPARSITY, however sparse the weights: LiteRT does not load such files.
    if precision == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8_full":
        converter.exclude_conversion_metadata = True  # a hash of an order that chance gives
        converter.representative_dataset = lambda: calibration(opened)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def calibration(opened: Opened) -> Iterator[dict[str, tf.Tensor]]:
    """Rows drawn from all of train, by input name: their ranges become the activations'."""
    entries = ports(opened)
    chunk = next(iter(opened.split("train").chunks))
    rows = {name: value[:CALIBRATION_ROWS] for name, value in chunk.items()}
    tensors = to_tensors(entries, rows)
    count = len(next(iter(tensors.values())))
    # Whole batches alone: the calibrator does not make room for one of another size.
    size = min(count, _CALIBRATION_BATCH)
    for start in range(0, count - size + 1, size):
        place = slice(start, start + size)
        yield {name: value[place] for name, value in tensors.items()}


def _require_built_in(content: bytes) -> None:
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=content)._get_ops_details()
    flex = sorted({name for one in details if (name := str(one["op_name"])).startswith("Flex")})
    if flex:
        raise ModelError(
            "the network needs TensorFlow operators that LiteRT does not have",
            received=", ".join(flex),
            expected="built-in operators only",
            fix="leave the TFLite variants out",
        )
