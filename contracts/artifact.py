"""`artifact.json`: all that a program needs to run a TFLite or ONNX file on raw rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.arrays import Array
from contracts.columns import RawInput
from contracts.errors import ModelError
from contracts.forecasts import forecast_answers
from contracts.preparation import Preparation, RowPreparation
from contracts.runtimes import RUNTIMES, Loaded, Runtime
from contracts.text import did_you_mean

ARTIFACT_FILE = "artifact.json"

ROWS_AT_ONCE = 1024
# Of prepared rows: an image of a few bytes may become megabytes of pixels.
_BYTES_AT_ONCE = 1 << 26


class TensorInput(BaseModel):
    """One input of a model file.

    Attributes:
      feature: The transformed feature.
      tensor: Its name in the file: features have names that formats do not take.
      dtype: Ids are `int32` in TFLite.
      width: How many values a row has.
      shape: The shape of a row's values, where it is not `[width]`.
    """

    model_config = ConfigDict(frozen=True)

    feature: str
    tensor: str
    dtype: Literal["float32", "int32", "int64"]
    width: int
    shape: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> TensorInput:
        if math.prod(self.row_shape) != self.width:
            raise ValueError(f"width is {self.width}, and shape is {list(self.row_shape)}")
        return self

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a row's values."""
        return (self.width,) if self.shape is None else self.shape


class Artifact(BaseModel):
    """A model file with what it takes and gives.

    Attributes:
      version: Of this description.
      format: The format.
      runtime: What executes the file: a key of `contracts.runtimes.RUNTIMES`.
      file: The model file's name, beside this description.
      sha256: Of the model file.
      task: What is predicted.
      label: The label's name.
      classes: The label's classes in the order of their ids, as a SavedModel names them;
        empty for regression.
      threshold: The operating threshold; binary only.
      quantiles: The levels of a forecast; empty for other tasks.
      horizon: How many steps it has; 0 for other tasks.
      inputs: In order, what the file takes.
      output: The output's name.
      rows: How many rows the file is asked about at once, at most.
      preparation: How raw columns become the inputs.
      lineage: Where the network comes from.
      instructions: How to prepare the inputs, in words.
      examples: Raw rows with their prepared values, by feature.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    format: str
    runtime: str
    file: str
    sha256: str
    task: Literal["binary", "multiclass", "regression", "forecast"]
    label: str = ""
    classes: tuple[int | str, ...]
    threshold: float | None
    quantiles: tuple[float, ...] = ()
    horizon: int = 0
    inputs: tuple[TensorInput, ...]
    output: str
    rows: int = Field(ROWS_AT_ONCE, ge=1)
    preparation: Preparation
    lineage: dict[str, Any] = {}
    instructions: tuple[str, ...] = ()
    examples: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _runtime_of_older_files(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "runtime" not in value:
            return {**value, "runtime": str(value.get("format", "")).partition("_")[0]}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Artifact:
        if Path(self.file).name != self.file:
            raise ValueError(f"file is {self.file!r}, which is not the name of a file beside it")
        if len({type(value) for value in self.classes}) > 1:
            raise ValueError("classes are integers and text")
        if self.task == "binary" and (len(self.classes) != 2 or self.threshold is None):
            raise ValueError("a binary model has two classes and a threshold")
        if self.task == "multiclass" and len(self.classes) < 2:
            raise ValueError("a multiclass model has two classes or more")
        if self.task == "forecast" and not (self.quantiles and self.horizon):
            raise ValueError("a model that forecasts has quantiles and a horizon")
        known = self.preparation.names
        unknown = [entry.feature for entry in self.inputs if entry.feature not in known]
        if unknown:
            raise ValueError(f"nothing prepares {', '.join(unknown)}")
        return self

    @property
    def ports(self) -> dict[str, RawInput]:
        """By input of the served model, what it takes."""
        return {
            name: taken
            for feature in self.preparation.features
            for name, taken in feature.inputs.items()
        }

    def write(self, folder: Path) -> None:
        """Writes the description beside its model file."""
        text = json.dumps(self.model_dump(mode="json"), allow_nan=False, ensure_ascii=False)
        (folder / ARTIFACT_FILE).write_text(text + "\n", encoding="utf-8")


def read_artifact(folder: Path) -> Artifact:
    """Reads the description of a model file.

    Raises:
      ModelError: there is none, or it cannot be read.
    """
    path = folder / ARTIFACT_FILE
    try:
        return Artifact.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{ARTIFACT_FILE} cannot be read",
            where=str(path),
            expected="the description that Kelp writes beside a model file",
            received=_first_line(error),
            fix="push the model again, with its description",
        ) from error


class ArtifactModel:
    """A model file in its runtime, with one thread, answering as its SavedModel does.

    The gate judges with it, and the server answers with it. No TensorFlow: LiteRT or ONNX
    Runtime executes, and numpy prepares. One caller at a time.

    Args:
      folder: Where `artifact.json` and the model file are.

    Raises:
      ModelError: the description cannot be read, or the file is not the one it describes.
    """

    def __init__(self, folder: Path) -> None:
        self.artifact = read_artifact(folder)
        self._loaded = _load(folder, self.artifact)
        self._prepare = RowPreparation(self.artifact.preparation)
        classes = self.artifact.classes
        text = bool(classes) and isinstance(classes[0], str)
        names = [str(value).encode() for value in classes] if text else list(classes)
        self._classes = np.array(names, object if text else np.int64)

    @property
    def steady(self) -> bool:
        """Whether the shapes of the inputs alone decide how long a call takes."""
        features = self.artifact.preparation.features
        return self._loaded.steady and all(feature.is_steady for feature in features)

    def tensors(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Prepares raw columns.

        Args:
          columns: By input of the served model, `[rows, ...]`: float32 with NaN for what is
            missing, int64, or an object array of bytes.
        """
        features = self._prepare(columns)
        return {
            entry.tensor: features[entry.feature].astype(entry.dtype, copy=False)
            for entry in self.artifact.inputs
        }

    def predict(self, columns: Mapping[str, Array]) -> Array:
        """Prepares raw columns and gives their `scores`, few rows at once where these are large.

        Args:
          columns: As `tensors` takes them.
        """
        rows = len(next(iter(columns.values())))
        row_bytes = sum(
            entry.width * np.dtype(entry.dtype).itemsize for entry in self.artifact.inputs
        )
        size = min(self.artifact.rows, max(1, _BYTES_AT_ONCE // row_bytes))
        parts = []
        for start in range(0, max(1, rows), size):
            part = {name: each[start : start + size] for name, each in columns.items()}
            parts.append(self.scores(self.tensors(part)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def scores(self, tensors: Mapping[str, Array]) -> Array:
        """Gives P(second class) `[n]`, class probabilities `[n, classes]` or predictions `[n]`.

        A forecast: all steps of the lowest quantile, then those of the next one.
        """
        rows, size = len(next(iter(tensors.values()))), self.artifact.rows
        parts = []
        for start in range(0, max(1, rows), size):
            part = {name: each[start : start + size] for name, each in tensors.items()}
            parts.append(self._loaded.run(part)[self.artifact.output])
        scores: Array = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return scores if self.artifact.task in ("multiclass", "forecast") else scores[:, 0]

    def answers(self, scores: Array) -> dict[str, Array]:
        """Gives what the SavedModel answers, by output, in the order of their names."""
        if self.artifact.task == "regression":
            return {"predictions": scores}
        if self.artifact.task == "forecast":
            return forecast_answers(scores, self.artifact.horizon)
        if self.artifact.task == "multiclass":
            return {
                "classes": self._classes[scores.argmax(axis=1)],
                "probabilities": scores,
                "scores": scores.max(axis=1),
            }
        positive = scores >= np.float32(self.artifact.threshold)
        return {
            "classes": self._classes[positive.astype(np.int64)],
            "decisions": positive.astype(np.float32),
            "probabilities": scores,
        }


def digest(content: bytes) -> str:
    """SHA-256 of a model file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _load(folder: Path, artifact: Artifact) -> Loaded:
    """Loads the bytes whose checksum was compared: the file may change in between."""
    runtime = _runtime(folder, artifact)
    path = folder / artifact.file
    content = path.read_bytes() if path.is_file() else None
    received = "no such file" if content is None else digest(content)
    if content is None or received != artifact.sha256:
        raise ModelError(
            f"{artifact.file} is not the file that {ARTIFACT_FILE} describes",
            where=str(folder),
            expected=f"SHA-256 {artifact.sha256}",
            received=received,
            fix="push the model again: the file was changed or only half copied",
        )
    try:
        loaded = runtime.load(content)
    except ValueError as error:
        raise _not_loaded(path, f"a file that {runtime.title} runs", str(error)) from error
    inputs = {entry.tensor for entry in artifact.inputs}
    if loaded.inputs != inputs or artifact.output not in loaded.outputs:
        expected = f"the inputs {', '.join(sorted(inputs))} and the output {artifact.output}"
        received = f"{', '.join(sorted(loaded.inputs))} and {', '.join(sorted(loaded.outputs))}"
        raise _not_loaded(path, expected, received)
    return loaded


def _runtime(folder: Path, artifact: Artifact) -> Runtime:
    if artifact.runtime not in RUNTIMES:
        raise ModelError(
            f"the artifact needs a runtime that is not known: {artifact.runtime!r}",
            where=str(folder / ARTIFACT_FILE),
            expected=f"one of: {', '.join(RUNTIMES)}",
            received=artifact.runtime,
            fix=did_you_mean(artifact.runtime, RUNTIMES)
            or "take another variant of the same network",
        )
    return RUNTIMES[artifact.runtime]


def _not_loaded(path: Path, expected: str, received: str) -> ModelError:
    return ModelError(
        f"{path.name} cannot be loaded",
        where=str(path),
        expected=expected,
        received=received,
        fix="push the model again, and let `kelp run` try it in its runtime",
    )


def _first_line(error: Exception) -> str:
    """What is wrong, in a line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])
