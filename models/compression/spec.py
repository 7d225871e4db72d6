"""The config of the variants: weights, format and gates, and what cannot be combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from contracts.spec import Spec
from models.compression.formats.table import find_format


def _known_format(value: str) -> str:
    find_format(value)
    return value


FormatName = Annotated[str, AfterValidator(_known_format)]


class GatesSpec(Spec):
    """What a variant must keep to be blessed.

    Attributes:
      max_drop: Of the main metric against float32, upper end of the interval.
      max_slice_drop: The same in any slice with rows enough; None asks nothing.
      max_bytes: On disk; None asks nothing beyond being smaller or faster than float32.
      max_latency_ratio: p50 at batch 1 against the float32 SavedModel; None asks nothing.
      min_sparsity: The least share of zeros among the weights; None asks nothing.
      tolerance: How far answers may be from Keras's on golden rows; None takes the format's.
    """

    max_drop: float = Field(0.005, ge=0)
    max_slice_drop: float | None = Field(None, ge=0)
    max_bytes: int | None = Field(None, ge=1)
    max_latency_ratio: float | None = Field(None, gt=0)
    min_sparsity: float | None = Field(None, ge=0, le=1)
    tolerance: float | None = Field(None, gt=0)


class FineTuneSpec(Spec):
    """How compressed weights are trained on; train alone is learned from, val stops."""

    epochs: int = Field(3, ge=1)
    learning_rate: float = Field(5e-4, gt=0)


class OriginalSpec(Spec):
    """The candidate's own weights."""

    weights: Literal["none"] = "none"


class PrunedSpec(FineTuneSpec):
    """The smallest weights become zero.

    Attributes:
      sparsity: The share of zeros in every pruned layer.
      pattern: Anywhere, or two of every four neighbours (half of all, for sparse hardware).
      ramp: The share of the epochs in which the sparsity grows to its end.
    """

    weights: Literal["pruned"]
    sparsity: float = Field(0.8, ge=0.5, le=0.95)
    pattern: Literal["unstructured", "2:4"] = "unstructured"
    ramp: float = Field(0.5, gt=0, lt=1)
    epochs: int = Field(4, ge=2)

    @model_validator(mode="after")
    def _half(self) -> PrunedSpec:
        if self.pattern == "2:4" and self.sparsity != 0.5:
            raise ValueError(f"pattern 2:4 is a sparsity of 0.5, not of {self.sparsity:g}")
        return self


class ClusteredSpec(FineTuneSpec):
    """Every layer's weights share a few values."""

    weights: Literal["clustered"]
    clusters: int = Field(16, ge=2, le=256)


class QatSpec(FineTuneSpec):
    """Trained on while feeling the rounding to eight bits."""

    weights: Literal["qat"]


class DistilledSpec(FineTuneSpec):
    """A smaller student of the same kind, taught by the candidate.

    Attributes:
      scale: The student's units and embeddings as a share of the candidate's; where `members`
        is given, the default is 1.
      members: How many members the student of an ensemble has; None keeps all.
      temperature: Softens what the teacher says; 1 leaves it.
      alpha: The share of the labels in the loss; the rest is the teacher's.
    """

    weights: Literal["distilled"]
    scale: float = Field(0.5, gt=0, le=1)
    members: int | None = Field(None, ge=1)
    temperature: float = Field(2.0, ge=1)
    alpha: float = Field(0.3, ge=0, le=1)
    epochs: int = Field(6, ge=1)
    learning_rate: float = Field(2e-3, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _members_keep_their_width(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("members") is not None:
            return {"scale": 1.0, **value}
        return value

    @model_validator(mode="after")
    def _smaller(self) -> DistilledSpec:
        if self.scale == 1 and self.members is None:
            raise ValueError("a student is smaller: set a scale below 1, or members")
        return self


class SharedSpec(Spec):
    """The weights of another variant."""

    weights: Literal["shared"]
    of: str = Field(min_length=1)


WeightsSpec = Annotated[
    Union[OriginalSpec, PrunedSpec, ClusteredSpec, QatSpec, DistilledSpec],
    Field(discriminator="weights"),
]


class _Form(Spec):
    format: FormatName = "savedmodel_float32"
    gates: GatesSpec = GatesSpec()


class OriginalVariant(OriginalSpec, _Form):
    """The candidate's weights in another format."""


class PrunedVariant(PrunedSpec, _Form):
    """Pruned weights in a format."""


class ClusteredVariant(ClusteredSpec, _Form):
    """Clustered weights in a format."""


class QatVariant(QatSpec, _Form):
    """Weights trained for eight bits, in a format."""


class DistilledVariant(DistilledSpec, _Form):
    """A student in a format."""


class SharedVariant(SharedSpec, _Form):
    """The weights of another variant in another format."""


def _with_weights(value: Any) -> Any:
    """A discriminator has no default of its own."""
    if isinstance(value, Mapping) and "weights" not in value:
        return {"weights": "none", **value}
    return value


NamedVariant = Annotated[
    Annotated[
        Union[
            OriginalVariant,
            PrunedVariant,
            ClusteredVariant,
            QatVariant,
            DistilledVariant,
            SharedVariant,
        ],
        Field(discriminator="weights"),
    ],
    BeforeValidator(_with_weights),
]


class VariantSpec(Spec):
    """One variant with its weights resolved: what a component gets."""

    name: str
    weights: WeightsSpec
    format: FormatName
    gates: GatesSpec = GatesSpec()


class VariantsSpec(Spec):
    """All variants of the config, by name."""

    variants: dict[str, NamedVariant] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shared_exist(self) -> VariantsSpec:
        for name, variant in self.variants.items():
            if not isinstance(variant, SharedVariant):
                continue
            other = self.variants.get(variant.of)
            if other is None or isinstance(other, SharedVariant):
                raise ValueError(
                    f"{name!r} takes the weights of {variant.of!r}, "
                    + ("which shares another's" if other else "which is not a variant")
                )
        return self

    def resolved(self) -> list[VariantSpec]:
        """Gives every variant with the weights that it takes, in the config's order."""
        return [self._resolve(name) for name in self.variants]

    def _resolve(self, name: str) -> VariantSpec:
        variant = self.variants[name]
        source = self.variants[variant.of] if isinstance(variant, SharedVariant) else variant
        fields = source.model_dump(exclude={"format", "gates"})
        return VariantSpec.model_validate(
            {"name": name, "weights": fields, "format": variant.format, "gates": variant.gates}
        )


def tolerance_of(variant: VariantSpec) -> float:
    """How far a variant's answers on golden rows may be from its own network's in Keras."""
    declared = variant.gates.tolerance
    if declared is not None:
        return declared
    row, precision = find_format(variant.format)
    return row.tolerances[precision]


def is_reference(variant: VariantSpec) -> bool:
    """Whether a variant is the candidate itself: what the others are compared with."""
    return isinstance(variant.weights, OriginalSpec) and variant.format == "savedmodel_float32"


def weights_name(variant: VariantSpec, variants: Sequence[VariantSpec]) -> str:
    """Names the weights of a variant: after the first of `variants` that takes the same ones."""
    first = next(one for one in variants if one.weights == variant.weights)
    return f"Weights.{first.name}"


def parse_weights(text: str) -> WeightsSpec:
    """Reads the JSON of weights."""
    return _WEIGHTS.validate_json(text)


_WEIGHTS: TypeAdapter[WeightsSpec] = TypeAdapter(WeightsSpec)
