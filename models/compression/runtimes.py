"""Runs artifacts in the runtimes that will serve them, each in a fresh process of its own.

Importing this module imports no runtime, and a TFLite or ONNX file is run without
TensorFlow: its peak memory is its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrays import Array
from contracts.artifact import ARTIFACT_FILE, ROWS_AT_ONCE, ArtifactModel
from contracts.columns import TYPES, RawInput, list_sizes, served_columns
from contracts.errors import ModelError
from contracts.forecasts import flat_quantiles
from contracts.preparations.images import ImageFeature, require_decodable
from contracts.results.variant import Timing
from models.processes.isolated import call
from models.processes.turns import one_at_a_time

Columns = Mapping[str, Array]

# A slow artifact is warmed up and timed for so long; a median needs no more calls than these.
_WARM_UP = 20
_ENOUGH_S = 1.0
_ENOUGH_CALLS = 30
# One that takes seconds a call is timed for so long, and by a few calls.
_LONG_S = 5.0
_FEW_CALLS = 5
_BATCH = 64
_IMAGES_AT_ONCE = 128
SCORES = ("probabilities", "quantiles", "predictions")


class Predictor(Protocol):
    """An artifact, loaded in its runtime.

    Attributes:
      types: By raw column, what its values must be: a `number`, an `integer` or `text`. A
        SavedModel knows columns by the names of its inputs.
      sizes: By raw column whose rows hold lists of numbers, how long these are.
      images: By input that takes images, how many pixels these may have.
      prepares: Whether rows are prepared outside of the runtime.
      rows: How many rows its network takes at once; see `models.networks.memory`.
      loaded: What the runtime's own code gave: TensorFlow's object, or an `ArtifactModel`.
    """

    types: Mapping[str, str]
    sizes: Mapping[str, int]
    images: Mapping[str, int]
    prepares: bool
    rows: int
    loaded: Any

    def inputs(self, table: pa.Table) -> dict[str, Array]:
        """Turns raw rows, missing values being null, into what a request brings."""

    def tensors(self, columns: Columns) -> Columns:
        """Turns what a request brings into what the runtime takes."""

    def scores(self, tensors: Columns) -> Array:
        """Gives P(second class) `[n]`, class probabilities `[n, classes]` or predictions `[n]`.

        A forecast: all steps of the lowest quantile, then those of the next one.
        """

    def answers(self, columns: Columns) -> dict[str, Array]:
        """Gives all that a client of the SavedModel sees, by output.

        See `models.export.saved_model.answer`.

        Raises:
          DataError: an image cannot be decoded.
        """


def open_predictor(folder: Path) -> Predictor:
    """Loads an artifact in this process, with one thread.

    Raises:
      ModelError: it cannot be loaded, or the file is not the one that its description has.
    """
    return _ModelFile(folder) if has_model_file(folder) else _SavedModel(folder)


def has_model_file(folder: Path) -> bool:
    """Whether a folder holds a model file with its description, which needs no TensorFlow."""
    return (folder / ARTIFACT_FILE).is_file()


class _SavedModel:
    prepares = False

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        from models.export.loaded_model import open_saved_model

        self._tf = tf
        self.loaded = open_saved_model(folder)
        self._serve = self.loaded.signatures.get("serving_default")
        if self._serve is None or not set(SCORES) & set(self._serve.structured_outputs):
            raise ModelError(
                f"{folder} is no SavedModel of Kelp's",
                where=str(folder),
                expected="a signature serving_default that gives probabilities or predictions",
                received=f"the signatures {', '.join(self.loaded.signatures) or 'none'}",
                fix="`kelp run CONFIG` trains a model and pushes it to serving_models/",
            )
        # A loaded SavedModel has its inputs in any order; what is said of them must not.
        specs = sorted(self._serve.structured_input_signature[1].items())
        self._ports = {
            name: RawInput(spec.dtype.name, tuple(spec.shape[1:])) for name, spec in specs
        }
        from models.export.input_limits import image_limits, row_limit

        self.rows = row_limit(self.loaded)
        self.images: Mapping[str, int] = image_limits(self.loaded)
        self.types: Mapping[str, str] = {
            name: "image" if name in self.images else TYPES[taken.dtype]
            for name, taken in self._ports.items()
        }
        self.sizes: Mapping[str, int] = list_sizes(self._ports)

    def inputs(self, table: pa.Table) -> dict[str, Array]:
        return served_columns(table, self._ports)

    def tensors(self, columns: Columns) -> Columns:
        return columns

    def scores(self, tensors: Columns) -> Array:
        answers = self._call(tensors)
        scores = next(answers[name] for name in SCORES if name in answers).numpy()
        return flat_quantiles(scores)

    def answers(self, columns: Columns) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in self._call(columns).items()}

    def _call(self, columns: Columns) -> dict[str, Any]:
        tensors = {name: self._tf.constant(value) for name, value in columns.items()}
        try:
            given: dict[str, Any] = self._serve(**tensors)
        except self._tf.errors.InvalidArgumentError:
            require_decodable(columns, self.images)
            raise
        return given


class _ModelFile:
    """A TFLite or ONNX file, by the code that serves it."""

    prepares = True

    def __init__(self, folder: Path) -> None:
        model = ArtifactModel(folder)
        self.loaded: Any = model
        self._ports = model.artifact.ports
        raw_inputs = {
            column: taken
            for feature in model.artifact.preparation.features
            for column, taken in feature.raw_inputs.items()
        }
        pixels = {
            feature.column: feature
            for feature in model.artifact.preparation.features
            if isinstance(feature, ImageFeature)
        }
        self.images: Mapping[str, int] = {
            feature.port: feature.max_pixels for feature in pixels.values()
        }
        self.types: Mapping[str, str] = {
            column: "image" if column in pixels else TYPES[taken.dtype]
            for column, taken in raw_inputs.items()
        }
        self.sizes: Mapping[str, int] = list_sizes(raw_inputs)
        self.tensors, self.scores, self.rows = model.tensors, model.scores, model.artifact.rows

    def inputs(self, table: pa.Table) -> dict[str, Array]:
        return served_columns(table, self._ports)

    def answers(self, columns: Columns) -> dict[str, Array]:
        answers: dict[str, Array] = self.loaded.answers(self.scores(self.tensors(columns)))
        return answers


def run_predict(request: Mapping[str, Any], predictor: Predictor) -> dict[str, Any]:
    """Writes the scores of raw rows as `.npy`, and gives how many there are."""
    scores = _predict_file(predictor, request["rows"])
    np.save(request["answers"], scores, allow_pickle=False)
    return {"rows": len(scores)}


def rows_at_once(predictor: Predictor) -> int:
    """How many rows an artifact is asked about at once: all of these are in memory, prepared."""
    most = _IMAGES_AT_ONCE if "image" in predictor.types.values() else ROWS_AT_ONCE
    return min(most, predictor.rows)


def predict_table(predictor: Predictor, table: pa.Table) -> Array:
    """Predicts in batches."""
    rows = rows_at_once(predictor)
    parts = [
        _scores(predictor, table.slice(start, rows))
        for start in range(0, max(1, table.num_rows), rows)
    ]
    return np.concatenate(parts)


def _predict_file(predictor: Predictor, path: str) -> Array:
    """The same of a Parquet file, of which memory holds a batch."""
    with pq.ParquetFile(path) as file:
        batches = file.iter_batches(rows_at_once(predictor))
        parts = [_scores(predictor, pa.Table.from_batches([batch])) for batch in batches]
        return np.concatenate(parts or [_scores(predictor, file.schema_arrow.empty_table())])


def _scores(predictor: Predictor, table: pa.Table) -> Array:
    return predictor.scores(predictor.tensors(predictor.inputs(table)))


def measure(
    folder: Path, rows: Path, repeats: int, timeout_s: float, turn: Path | None = None
) -> Timing:
    """Times an artifact in a fresh process with one thread.

    Args:
      folder: Where it is.
      rows: A Parquet file with raw rows, 64 or more of them.
      repeats: How many single rows, and how many batches, are timed at most.
      timeout_s: How long the process may take.
      turn: A folder; of the processes that name the same one, one at a time is timed.

    Raises:
      ModelError: the artifact does not load, crashes, or takes too long.
    """
    request = {"folder": str(folder), "rows": str(rows), "repeats": repeats}
    if turn is not None:
        request["turn"] = str(turn)
    timing = call(
        "models.compression.runtimes:run_measure",
        request,
        timeout_s=timeout_s,
        what=f"timing {folder.name}",
        threads=1,
        bare=has_model_file(folder),
    )
    return Timing(**timing)


def run_measure(request: Mapping[str, Any]) -> dict[str, float]:
    """Times in this process; see `measure`."""
    return open_and_time(request)[1]


def open_and_time(request: Mapping[str, Any]) -> tuple[Predictor, dict[str, float]]:
    """As `run_measure`; gives the artifact too, for it takes long to load."""
    table = _first_rows(request["rows"])
    started = time.perf_counter()
    predictor = open_predictor(Path(request["folder"]))
    load_s = time.perf_counter() - started
    repeats, batch, row = int(request["repeats"]), table.slice(0, _BATCH), table.slice(0, 1)
    single, many = predictor.inputs(row), predictor.inputs(batch)
    prepared, prepared_batch = predictor.tensors(single), predictor.tensors(many)
    prepare_ms, prepare_batch_ms = 0.0, 0.0
    with one_at_a_time(request.get("turn")):
        single_ms = _times(lambda: predictor.scores(prepared), repeats)
        batch_ms = _times(lambda: predictor.scores(prepared_batch), repeats)
        if predictor.prepares:
            prepare_ms = float(np.median(_times(lambda: predictor.tensors(single), repeats)))
            prepare_batch_ms = float(np.median(_times(lambda: predictor.tensors(many), repeats)))
    timing = Timing(
        p50_ms=float(np.percentile(single_ms, 50)),
        p95_ms=float(np.percentile(single_ms, 95)),
        rows_per_s=batch.num_rows / (float(np.median(batch_ms)) + prepare_batch_ms) * 1e3,
        prepare_ms=prepare_ms,
        load_s=load_s,
        peak_memory_mib=_peak_memory_mib(),
    )
    return predictor, timing.model_dump()


def _first_rows(path: str) -> pa.Table:
    with pq.ParquetFile(path) as file:
        first = islice(file.iter_batches(_BATCH), 1)
        return pa.Table.from_batches(first, file.schema_arrow)


def _times(action: Callable[[], object], repeats: int) -> Array:
    """Milliseconds a call, once it is warm."""
    _timed(action, min(_WARM_UP, repeats), ((1, _ENOUGH_S),))
    enough = ((_ENOUGH_CALLS, _ENOUGH_S), (_FEW_CALLS, _LONG_S))
    return np.array(_timed(action, repeats, enough)) * 1e3


def _timed(
    action: Callable[[], object], most: int, enough: Sequence[tuple[int, float]]
) -> list[float]:
    """The seconds of each call.

    Args:
      action: What is called.
      most: How many calls there are at most.
      enough: Pairs of calls and seconds: with as many calls in as many seconds, it ends.
    """
    seconds: list[float] = []
    total = 0.0
    while len(seconds) < most:
        if any(len(seconds) >= calls and total >= limit for calls, limit in enough):
            break
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
        total += seconds[-1]
    return seconds


def _peak_memory_mib() -> float:
    """Of this process alone: `getrusage` would count what it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
