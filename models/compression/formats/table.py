"""The formats that a network can be written in: one module and one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.text import did_you_mean


@dataclass(frozen=True)
class Format:
    """How a network is written.

    Attributes:
      title: What people call it.
      extension: Of the model file; empty where the artifact is a folder.
      runtime: What executes the file, a key of `contracts.runtimes.RUNTIMES`; None for
        TensorFlow, which executes a SavedModel.
      converter: `module:function`, of an installed package or beside the config. It takes a
        precision, the `Opened` training artifacts, the folder to write to and the lineage, and
        gives `operators`: those of the graph, by count.
      tolerances: By precision, how far answers on golden rows may be from Keras's.
    """

    title: str
    extension: str
    runtime: str | None
    converter: str
    tolerances: Mapping[str, float]

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


def format_names() -> list[str]:
    """What a variant's `format` may be: the format and its precision."""
    return [f"{name}_{precision}" for name, row in FORMATS.items() for precision in row.tolerances]


def parse_format(value: str) -> tuple[str, str]:
    """Gives the format's name in the table, and the precision.

    Raises:
      ValueError: there is no such format; the nearest known one is named.
    """
    name, _, precision = value.partition("_")
    if name not in FORMATS or precision not in FORMATS[name].tolerances:
        hint = did_you_mean(value, format_names())
        known = ", ".join(format_names())
        raise ValueError(f"unknown format {value!r}: {hint + ' ' if hint else ''}Known: {known}")
    return name, precision
