"""Windows of time series: lists of numbers, steps filled where they are missing, scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import Field, model_validator

from models.encoders.windows.encoding import window_port
from models.encoders.windows.linear import LinearEncoder
from models.encoders.windows.spec import WindowEncoderSpec
from models.features.kind import FeatureKind
from models.features.ports import InputSpec
from models.stresses.windows import WINDOW_STRESSES

if TYPE_CHECKING:
    from contracts.results.preview import Preview
    from models.content.kind import Occlusion
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors


class WindowSpec(FeatureKind):
    """A window of one measured quantity, or of several at the same steps.

    Attributes:
      steps: How many steps a window has.
      columns: The raw columns, a list of `steps` numbers a row in each; the feature's own name
        where there are none. They lie beside each other in the window, in this order.
      fill: What stands in for a missing step: the one before it, a line between its neighbours,
        or the mean of train. A gap at the start of a window is filled from its first value; a
        window without values, with the mean.
      scale: `z_score` takes the mean of train from each column and divides by its deviation.
      encoder: What makes the window's encoding: see models/encoders/windows/.
    """

    type: str = "window"
    steps: int = Field(ge=2, le=100_000)
    columns: tuple[str, ...] = ()
    fill: Literal["previous", "linear", "mean"] = "previous"
    scale: Literal["z_score", "none"] = "z_score"
    encoder: WindowEncoderSpec = LinearEncoder()

    raw_values = "numbers"
    audit_checks = frozenset()
    stresses = {"missing": True, **WINDOW_STRESSES}
    slice_figures = ("mean", "missing")

    @model_validator(mode="after")
    def _distinct(self) -> WindowSpec:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(
                "Invalid columns. Expected: each column once. Received: " + ", ".join(self.columns)
            )
        return self

    def raw_columns(self, name: str) -> tuple[str, ...]:
        """Those of the config."""
        return self.columns or (name,)

    def raw_size(self) -> int:
        """A list of steps."""
        return self.steps

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Fills and scales; see models/features/windows.py."""
        from models.features.windows import prepare_windows

        return prepare_windows(specs, raw)

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """A matrix of steps and columns."""
        from models.features.windows import read_moments

        columns = len(self.raw_columns(name))
        offsets, scales = (0.0,) * columns, (1.0,) * columns
        if self.scale == "z_score":
            offsets, scales = read_moments(name, learned)
        return window_port(name, self.steps, self.encoder, offsets, scales)

    @classmethod
    def preview_value(cls, value: Any) -> Preview | None:
        """A line through the steps."""
        from models.content.windows import preview_window

        return preview_window(value)

    @classmethod
    def occlude(cls, value: Any) -> Occlusion | None:
        """Leaves out some steps after the others."""
        from models.content.windows import occlude_steps

        return occlude_steps(value)

    @classmethod
    def figures(cls, values: pa.ChunkedArray) -> dict[str, pa.Array]:
        """The mean of the steps, and the share of them that is missing."""
        from models.content.windows import window_figures

        return window_figures(values)

    def preparation(self, name: str, learned: Learned) -> dict[str, Any]:
        """The raw columns, how they are filled, and their moments."""
        from models.features.windows import read_moments

        mean, deviation = read_moments(name, learned)
        return {
            "kind": "window",
            "raw": "float32",
            "columns": self.raw_columns(name),
            "steps": self.steps,
            "fill": self.fill,
            "mean": mean,
            "deviation": deviation if self.scale == "z_score" else None,
        }
