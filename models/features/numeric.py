"""Numbers: clipped, imputed where they are missing, and scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from models.features.circles import guess_circle
from models.features.kind import ColumnProfile, ConfigKeys, FeatureKind, Recognition
from models.features.periodic import Waves, periodic_port
from models.features.piecewise import piecewise_port
from models.features.ports import InputSpec
from models.features.skewness import describe_skewness

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors

_FEW_VALUES = 10


class NumericSpec(FeatureKind):
    """A number, scaled; what is missing is imputed.

    Attributes:
      scale: `z_score` and `min_max` move and stretch; `log` takes the logarithm of 1 + the
        number, mirrored below 0, and then the z-score; `quantile` gives the normal score of
        the number's rank on train, from -3.5 to 3.5.
      clip: How many robust standard deviations from train's median a number may lie; it is
        clipped there before all else. Robust: of the interquartile range.
      impute: What of train stands in for a missing number.
      embedding: `piecewise` encodes the scaled number inside the network by bins of train's
        quantiles. But for `scale: quantile`, the farthest 64th of the rows at either end lies
        outside of them, and is taken for their ends. `periodic` adds mixtures of its cosines at
        frequencies that the network learns.
      bins: How many bins there are, where `embedding` is `piecewise`.
      frequencies: How many frequencies there are, where `embedding` is `periodic`.
      frequency_scale: Their standard deviation before training, in waves a unit of the scaled
        number.
      width: How many numbers stand for one, where `embedding` is `periodic`: itself, and
        mixtures.
    """

    type: str = "numeric"
    scale: Literal["z_score", "min_max", "quantile", "log", "none"] = "z_score"
    clip: float | None = Field(None, gt=0)
    impute: Literal["mean", "median"] = "mean"
    embedding: Literal["none", "piecewise", "periodic"] = "none"
    bins: int = Field(16, ge=2, le=128)
    frequencies: int = Field(16, ge=1, le=128)
    frequency_scale: float = Field(0.1, gt=0)
    width: int = Field(4, ge=2, le=64)
    missing_indicator: bool = False

    raw_values = "numbers"
    audit_checks = frozenset({"outliers"})
    stresses = {"noise": True, "missing": True, "units": False, "adversarial": True}
    slice_key = True

    @model_validator(mode="after")
    def _needed(self) -> NumericSpec:
        if self.clip is not None and self.scale == "quantile":
            raise ValueError("clip has no effect with scale quantile, which has bounds: remove it")
        return self

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Clips, fills and scales; see models/features/scaling.py."""
        from models.features.scaling import scale_numbers

        return scale_numbers(specs, raw)

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """One number, or one that the network encodes."""
        if self.embedding == "none":
            return InputSpec(name, "dense", 1)
        if self.embedding == "periodic":
            return periodic_port(name, Waves(self.frequencies, self.frequency_scale, self.width))
        from models.features.scaling import read_knots

        return piecewise_port(name, read_knots(self, name, learned))

    def preparation(self, name: str, learned: Learned) -> dict[str, Any]:
        """Gives `filler`, and what clips and scales the number."""
        from models.features.scaling import read_constants

        return {"kind": "numeric", **read_constants(self, name, learned)}

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """Any number that is nothing else."""
        if column.kind not in ("integers", "numbers"):
            return None
        few = (
            column.kind == "integers"
            and column.distinct <= _FEW_VALUES
            and column.rows >= _FEW_VALUES * column.distinct
        )
        note = f"{column.distinct:,} values from {column.low:g} to {column.high:g}"
        note += ": categorical, if they are codes" if few else ""
        circle = guess_circle(column.name, column.values, column.names)
        keys, reason = _proposed_scale(column)
        note = "; ".join(
            part for part in (note if circle is None else circle.reason, reason) if part
        )
        return Recognition({"type": "numeric", **keys}, note)


def _proposed_scale(column: ColumnProfile) -> tuple[ConfigKeys, str]:
    """By ranks where the column is skewed or has far values; and why, for the comment."""
    if column.distinct <= _FEW_VALUES:
        return {}, ""
    reason = describe_skewness(column.values)
    return ({"scale": "quantile"}, reason) if reason else ({}, "")
