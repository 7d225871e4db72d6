"""Runs artifacts in the runtimes that will serve them, each in a fresh process of its own.

Importing this module imports no runtime, and a TFLite or ONNX file is run without
TensorFlow: its peak memory is its own.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import ModelError
from contracts.names import serving_name
from models.compression.formats.artifact import Artifact, read_artifact
from models.compression.preparation import prepare
from models.compression.spec import Kind
from models.features.spec import MISSING_INT, MISSING_TEXT
from models.processes.isolated import call

Array = np.ndarray[Any, Any]
Inputs = dict[str, Array]

_WARM_UP = 20
_BATCH = 64
_ROWS_AT_ONCE = 1024
_SCORES = ("probabilities", "predictions")
# What raw values must be, by the type of the input that takes them.
TYPES = {"float32": "number", "int64": "integer", "string": "text"}


@dataclass(frozen=True)
class Timing:
    """What running an artifact costs; one thread.

    Attributes:
      p50_ms: The median time of one row.
      p95_ms: The time that 95 % of single rows stay under.
      rows_per_s: Throughput in batches of 64, from raw rows; the median of the repeats.
      prepare_ms: The median time in which numpy prepares one row; 0 for a SavedModel, which
        prepares rows itself.
      load_s: How long loading took, without the import of TensorFlow.
      peak_memory_mib: Of the whole process, runtime and Python included.
    """

    p50_ms: float
    p95_ms: float
    rows_per_s: float
    prepare_ms: float
    load_s: float
    peak_memory_mib: float

    def to_dict(self) -> dict[str, float]:
        """Gives the timing as JSON wants it."""
        return asdict(self)


class Predictor(Protocol):
    """An artifact, loaded in its runtime.

    Attributes:
      types: By raw column, what its values must be: a `number`, an `integer` or `text`. A
        SavedModel knows columns by the names of its inputs.
    """

    types: Mapping[str, str]

    def inputs(self, table: pa.Table) -> Inputs:
        """Turns raw rows, missing values being null, into what the runtime takes."""

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        """Gives P(second class) `[n]`, class probabilities `[n, classes]` or predictions `[n]`."""

    def answers(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Gives all that a client of the SavedModel sees, by output.

        See `models.export.saved_model.answer`.
        """


def open_predictor(kind: Kind, folder: Path) -> Predictor:
    """Loads an artifact in this process, with one thread.

    Raises:
      ModelError: the file is not the one that its description tells of.
    """
    if kind == "savedmodel":
        return _SavedModel(folder)
    artifact = read_artifact(folder)
    return _TfLite(folder, artifact) if kind == "tflite" else _Onnx(folder, artifact)


class _SavedModel:
    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        from models.export.loaded_model import open_saved_model

        self._tf = tf
        self._module = open_saved_model(folder)
        self._serve = self._module.signatures.get("serving_default")
        if self._serve is None or not set(_SCORES) & set(self._serve.structured_outputs):
            raise ModelError(
                f"{folder} is no SavedModel of Kelp's",
                where=str(folder),
                expected="a signature serving_default that gives probabilities or predictions",
                received=f"the signatures {', '.join(self._module.signatures) or 'none'}",
                fix="`kelp run CONFIG` trains a model and pushes it to serving_models/",
            )
        # A loaded SavedModel has its inputs in any order; what is told of them must not.
        self._specs = dict(sorted(self._serve.structured_input_signature[1].items()))
        self.types: Mapping[str, str] = {
            name: TYPES[spec.dtype.name] for name, spec in self._specs.items()
        }

    def inputs(self, table: pa.Table) -> Inputs:
        columns = {serving_name(name): table[name] for name in table.column_names}
        rows = table.num_rows
        return {
            name: serving_column(columns.get(name), spec.dtype.name, rows)
            for name, spec in self._specs.items()
        }

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        answers = self._call(inputs)
        scores: Array = next(answers[name] for name in _SCORES if name in answers).numpy()
        return scores

    def answers(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in self._call(inputs).items()}

    def _call(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        given: dict[str, Any] = self._serve(
            **{name: self._tf.constant(value) for name, value in inputs.items()}
        )
        return given


def serving_column(column: pa.ChunkedArray | None, dtype: str, rows: int) -> Array:
    """A raw column as a SavedModel's input takes it, missing values in the model's own form.

    Args:
      column: The column; None where the rows lack it.
      dtype: The input's: float32, int64 or string.
      rows: How many rows there are.
    """
    kind, missing = {
        "float32": (pa.float32(), float("nan")),
        "int64": (pa.int64(), MISSING_INT),
        "string": (pa.string(), MISSING_TEXT),
    }[dtype]
    if column is None:
        column = pa.chunked_array([pa.nulls(rows, kind)])
    cast = column.cast(kind, safe=dtype != "float32")
    values: Array = cast.fill_null(missing).to_numpy()
    return values


class _Prepared(ABC):
    """What TFLite and ONNX share: rows are prepared outside of the model."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self.types: Mapping[str, str] = {
            one.column: TYPES["float32" if one.vocabulary is None else one.raw]
            for one in artifact.preparation.features
        }

    def inputs(self, table: pa.Table) -> Inputs:
        features = prepare(table, self._artifact.preparation)
        return {
            entry["tensor"]: features[entry["feature"]].astype(entry["dtype"])
            for entry in self._artifact.inputs
        }

    @abstractmethod
    def predict(self, inputs: Mapping[str, Array]) -> Array: ...

    def answers(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return _answers(self._artifact, self.predict(inputs))

    def _scores(self, output: Array) -> Array:
        return output if self._artifact.task == "multiclass" else output[:, 0]


def _answers(artifact: Artifact, scores: Array) -> dict[str, Array]:
    """What the SavedModel of the same network would answer, from its scores."""
    if artifact.task == "regression":
        return {"predictions": scores}
    classes = np.array(artifact.classes)
    if artifact.task == "multiclass":
        return {
            "probabilities": scores,
            "classes": classes[scores.argmax(axis=1)],
            "scores": scores.max(axis=1),
        }
    positive = scores >= np.float32(artifact.threshold)
    return {
        "probabilities": scores,
        "classes": classes[positive.astype(np.int64)],
        "decisions": positive.astype(np.float32),
    }


class _TfLite(_Prepared):
    def __init__(self, folder: Path, artifact: Artifact) -> None:
        from ai_edge_litert.interpreter import Interpreter

        super().__init__(artifact)
        self._interpreter = Interpreter(str(folder / artifact.file), num_threads=1)
        self._run = self._interpreter.get_signature_runner()

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        return self._scores(self._run(**inputs)[self._artifact.output])


class _Onnx(_Prepared):
    def __init__(self, folder: Path, artifact: Artifact) -> None:
        import onnxruntime

        super().__init__(artifact)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / artifact.file), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        return self._scores(self._session.run([self._artifact.output], dict(inputs))[0])


def predict_rows(kind: Kind, folder: Path, rows: Path, answers: Path, timeout_s: float) -> None:
    """Predicts raw rows with an artifact in a fresh process.

    Args:
      kind: What the artifact is.
      folder: Where it is.
      rows: A Parquet file with the raw columns.
      answers: Where the scores are written, as `.npy`.
      timeout_s: How long the process may take.

    Raises:
      ModelError: the artifact does not load, crashes, or takes too long.
    """
    request = {"kind": kind, "folder": str(folder), "rows": str(rows), "answers": str(answers)}
    call(
        "models.compression.runtimes:run_predict",
        request,
        timeout_s=timeout_s,
        what=f"predicting with {folder.name}",
        bare=kind != "savedmodel",
    )


def run_predict(request: Mapping[str, Any]) -> dict[str, Any]:
    """Predicts in this process; see `predict_rows`."""
    predictor = open_predictor(request["kind"], Path(request["folder"]))
    table = pq.read_table(request["rows"])
    np.save(request["answers"], predict_table(predictor, table), allow_pickle=False)
    return {"rows": table.num_rows}


def predict_table(predictor: Predictor, table: pa.Table) -> Array:
    """Predicts in batches."""
    parts = [
        predictor.predict(predictor.inputs(table.slice(start, _ROWS_AT_ONCE)))
        for start in range(0, max(1, table.num_rows), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts)


def measure(kind: Kind, folder: Path, rows: Path, repeats: int, timeout_s: float) -> Timing:
    """Times an artifact in a fresh process with one thread.

    Args:
      kind: What the artifact is.
      folder: Where it is.
      rows: A Parquet file with raw rows, 64 or more of them.
      repeats: How many single rows, and how many batches, are timed.
      timeout_s: How long the process may take.

    Raises:
      ModelError: the artifact does not load, crashes, or takes too long.
    """
    request = {"kind": kind, "folder": str(folder), "rows": str(rows), "repeats": repeats}
    timing = call(
        "models.compression.runtimes:run_measure",
        request,
        timeout_s=timeout_s,
        what=f"timing {folder.name}",
        threads=1,
        bare=kind != "savedmodel",
    )
    return Timing(**timing)


def run_measure(request: Mapping[str, Any]) -> dict[str, float]:
    """Times in this process; see `measure`."""
    table = pq.read_table(request["rows"])
    started = time.perf_counter()
    predictor = open_predictor(request["kind"], Path(request["folder"]))
    load_s = time.perf_counter() - started
    repeats, batch, row = int(request["repeats"]), table.slice(0, _BATCH), table.slice(0, 1)
    single, many = predictor.inputs(row), predictor.inputs(batch)
    one = _times(lambda: predictor.predict(single), repeats)
    whole = _times(lambda: predictor.predict(many), repeats)
    prepare_ms = 0.0
    if request["kind"] != "savedmodel":
        prepare_ms = float(np.median(_times(lambda: predictor.inputs(row), repeats)))
        whole += _times(lambda: predictor.inputs(batch), repeats)
    return Timing(
        p50_ms=float(np.percentile(one, 50)),
        p95_ms=float(np.percentile(one, 95)),
        rows_per_s=batch.num_rows / float(np.median(whole)) * 1e3,
        prepare_ms=prepare_ms,
        load_s=load_s,
        peak_memory_mib=_peak_memory_mib(),
    ).to_dict()


def _times(action: Any, repeats: int) -> Array:
    """Milliseconds a call, once it is warm."""
    for _ in range(_WARM_UP):
        action()
    times = np.empty(repeats)
    for index in range(repeats):
        started = time.perf_counter()
        action()
        times[index] = time.perf_counter() - started
    return times * 1e3


def _peak_memory_mib() -> float:
    """Of this process alone: `getrusage` would count what it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
