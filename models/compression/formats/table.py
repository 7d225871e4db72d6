"""The formats that a network can be written in: one module and one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.artifact import ROWS_AT_ONCE, TensorInput
from contracts.errors import ConfigError
from contracts.runtimes import RUNTIMES
from contracts.text import did_you_mean
from models.user_code import describe_place, load_object


@dataclass(frozen=True)
class FileSignature:
    """What a model file takes and gives.

    Attributes:
      inputs: The inputs, in order.
      output: The output's name.
      rows: How many rows the file is asked about at once; see `models.networks.memory`.
    """

    inputs: Sequence[TensorInput]
    output: str
    rows: int = ROWS_AT_ONCE


@dataclass(frozen=True)
class Format:
    """How a network is written.

    Attributes:
      title: What people call it.
      extension: Of the model file; empty where the artifact is a folder.
      runtime: What executes the file, a key of `contracts.runtimes.RUNTIMES`; None for
        TensorFlow, which executes a SavedModel.
      converter: `module:function`. It takes a precision, the `Opened` training artifacts and the
        folder to write to, and gives the `FileSignature` of a model file; None of a SavedModel.
      tolerances: By precision, how far answers on golden rows may be from Keras's.

    Raises:
      ValueError: the runtime is not known, or extension and runtime do not fit together.
    """

    title: str
    extension: str
    runtime: str | None
    converter: str
    tolerances: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.runtime is not None and self.runtime not in RUNTIMES:
            raise ValueError(
                f"Invalid runtime of a format. Expected one of {', '.join(RUNTIMES)}, or None for "
                f"a SavedModel. Received {self.runtime!r}."
            )
        if bool(self.extension) != bool(self.runtime):
            raise ValueError(
                "Invalid extension of a format. Expected one for a model file, and none for a "
                f"SavedModel. Received {self.extension!r} for the runtime {self.runtime!r}."
            )

    @property
    def kind(self) -> str:
        """What it is: a SavedModel, or a file of a runtime."""
        return self.runtime or "savedmodel"

    @property
    def holds_preparation(self) -> bool:
        """Whether the artifact prepares raw columns itself, by the transform graph."""
        return self.runtime is None

    @property
    def file(self) -> str:
        """The name of the model file."""
        return f"model{self.extension}"


# The tolerances are for the same weights rounded otherwise: a fine-tuned network is compared
# with itself.
FORMATS: dict[str, Format] = {
    "savedmodel": Format(
        title="a SavedModel",
        extension="",
        runtime=None,
        converter="models.compression.formats.savedmodel:write_savedmodel",
        tolerances={"float32": 1e-5, "float16": 5e-3, "int8": 0.1, "int8_weights": 0.1},
    ),
    "tflite": Format(
        title="TFLite",
        extension=".tflite",
        runtime="tflite",
        converter="models.compression.formats.tflite:write_tflite",
        tolerances={"float32": 1e-5, "float16": 5e-3, "int8_dynamic": 0.1, "int8_full": 0.2},
    ),
    "onnx": Format(
        title="ONNX",
        extension=".onnx",
        runtime="onnx",
        converter="models.compression.formats.onnx:write_onnx",
        tolerances={"float32": 1e-5},
    ),
}


def find_format(name: str) -> tuple[Format, str]:
    """Gives a format and its precision.

    Args:
      name: A format of the table with its precision, such as `tflite_float16`, or the import path
        `package.module:NAME` of a user's own `Format`, beside the config or installed.

    Raises:
      ValueError: there is no such format; the nearest known one is named.
      ConfigError: the import path names no format.
    """
    if is_own_format(name):
        return _own_format(name)
    row, _, precision = name.partition("_")
    if row not in FORMATS or precision not in FORMATS[row].tolerances:
        names = [f"{key}_{each}" for key, one in FORMATS.items() for each in one.tolerances]
        hint = did_you_mean(name, names)
        raise ValueError(
            f"unknown format {name!r}: {hint + ' ' if hint else ''}Known: {', '.join(names)}, or "
            "package.module:NAME"
        )
    return FORMATS[row], precision


def is_own_format(name: str) -> bool:
    """Whether a format's name is the import path of a user's own."""
    return ":" in name


def own_format_code(name: str) -> dict[tuple[str, ...], str]:
    """The import paths of what users have written for a format, by key."""
    if not is_own_format(name):
        return {}
    return {("format",): name, ("format", "converter"): _own_format(name)[0].converter}


def _own_format(path: str) -> tuple[Format, str]:
    row = load_object(path)
    if not isinstance(row, Format):
        raise ConfigError(
            f"{path} is no format.",
            where=describe_place(path),
            expected="a models.compression.formats.Format",
            received=repr(row),
        )
    if len(row.tolerances) != 1:
        raise ConfigError(
            f"{path} has {len(row.tolerances)} precisions.",
            where=describe_place(path),
            expected="one precision, with its tolerance",
            received=", ".join(row.tolerances) or "none",
            fix="write one Format for each precision",
        )
    return row, next(iter(row.tolerances))
