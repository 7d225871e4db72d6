"""What a network in Keras answers on golden rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from models.data.dataset import records
from models.data.raw_table import record_bytes
from models.data.representation import parse_rows, raw_input_specs
from models.export.golden_rows import GOLDEN_ROWS, MARGIN, write_golden
from models.export.saved_model import Serving, answer, to_serving_columns

# Photos are in memory in a dozen forms while their answers are written.
_GOLDEN_BYTES = 32 << 20
_FEWEST_ROWS = 8


def golden_rows(val_files: Sequence[str]) -> list[bytes]:
    """The first rows of val, serialized; fewer, where they are large."""
    rows = np.clip(_GOLDEN_BYTES // record_bytes(val_files), _FEWEST_ROWS, GOLDEN_ROWS)
    return list(records(val_files).take(int(rows)).as_numpy_iterator())


def write_answers(folder: Path, examples: list[bytes], serving: Serving) -> None:
    """Writes golden rows with what the network answers, on the CPU.

    Args:
      folder: Where to; it is made.
      examples: Serialized `tf.Example`s.
      serving: The network, and what its signatures are made of.
    """
    label = frozenset({serving.problem.label.name})
    with tf.device("/CPU:0"):
        raw = parse_rows(examples, raw_input_specs(serving.schema, label))
        outputs = answer(serving, serving.transform(raw))
        columns = to_serving_columns(serving.problem, serving.schema, raw)
    arrays = {name: value.numpy() for name, value in outputs.items()}
    if "probabilities" in arrays:
        arrays[MARGIN] = _margin(arrays["probabilities"], serving.threshold)
    plain = {name: value.numpy() for name, value in columns.items()}
    write_golden(folder, examples, plain, arrays)


def _margin(probabilities: Array, threshold: float | None) -> Array:
    if threshold is not None:
        distance: Array = np.abs(probabilities - np.float32(threshold))
        return distance
    ranked = np.sort(probabilities, axis=1)
    margin: Array = ranked[:, -1] - ranked[:, -2]
    return margin
