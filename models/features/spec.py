"""What each feature and the label are, and the names they go by after the transform.

Conventions that training and serving share:

- A missing value is NaN in a float column, `MISSING_INT` in an integer column and
  `MISSING_TEXT` in a text column. The schema's dense representation fills them in when
  examples are parsed, so the graph sees one dense `[batch, 1]` tensor per column.
- Numeric, cyclic and boolean features become float32; categorical and vocabulary
  features become int64 ids, which the network one-hot encodes or embeds.
"""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field, model_validator

from contracts.names import serving_name
from contracts.spec import Spec

MISSING_INT = -(2**63)
MISSING_TEXT = ""
MISSING_TOKEN = "__missing__"

Task = Literal["binary", "multiclass", "regression"]


class NumericSpec(Spec):
    """A number, scaled; what is missing is imputed."""

    type: Literal["numeric"] = "numeric"
    scale: Literal["z_score", "min_max", "none"] = "z_score"
    impute: Literal["mean", "median"] = "mean"
    missing_indicator: bool = False


class CategoricalSpec(Spec):
    """A category of low cardinality, one-hot encoded; missing is a category."""

    type: Literal["categorical"] = "categorical"
    min_count: int = Field(1, ge=1)


class VocabularySpec(Spec):
    """A category of high cardinality, embedded; rare values share one bucket."""

    type: Literal["vocabulary"] = "vocabulary"
    min_count: int = Field(5, ge=1)
    embedding: int | None = Field(None, ge=1, le=1024)


class CyclicSpec(Spec):
    """A number on a circle (hour, month): becomes its sine and cosine."""

    type: Literal["cyclic"] = "cyclic"
    period: float = Field(gt=0)
    missing_indicator: bool = False


class BooleanSpec(Spec):
    """A yes or no; missing becomes one half."""

    type: Literal["boolean"] = "boolean"
    missing_indicator: bool = False


FeatureSpec = Annotated[
    Union[NumericSpec, CategoricalSpec, VocabularySpec, CyclicSpec, BooleanSpec],
    Field(discriminator="type"),
]


class LabelSpec(Spec):
    """The column to predict.

    `classes` lists the label's values in the order of their ids; for a binary task the
    second one is the positive class. A label of 0 and 1 needs no list.
    """

    name: str = Field(min_length=1)
    classes: tuple[bool | int | str, ...] | None = None

    @model_validator(mode="after")
    def _distinct(self) -> LabelSpec:
        if self.classes is not None and len(set(map(str, self.classes))) < len(self.classes):
            raise ValueError("classes names a class twice")
        return self


class FeaturesSpec(Spec):
    """All that Transform needs to know: the task, the label and the features."""

    task: Task
    label: LabelSpec
    features: dict[str, FeatureSpec] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> FeaturesSpec:
        if self.label.name in self.features:
            raise ValueError(f"the label {self.label.name!r} is also listed as a feature")
        classes = self.label.classes
        if self.task == "binary" and classes is not None and len(classes) != 2:
            raise ValueError(f"a binary task has two classes, label.classes has {len(classes)}")
        if self.task == "multiclass" and (classes is None or len(classes) < 2):
            raise ValueError("a multiclass task needs label.classes, two or more of them")
        if self.task == "regression" and classes is not None:
            raise ValueError("a regression task has no label.classes")
        self._check_names()
        return self

    def _check_names(self) -> None:
        taken: dict[str, str] = {}
        for name in self.features:
            other = taken.setdefault(serving_name(name), name)
            if other != name:
                # A suffix for one of them would change the input's name of a model that is
                # served already, as soon as its data gets another column.
                raise ValueError(
                    f"{other!r} and {name!r} would both be served as {serving_name(name)!r}: "
                    "rename one in the data, or leave it out of features"
                )
        for name, spec in self.features.items():
            indicator = indicator_name(name)
            if getattr(spec, "missing_indicator", False) and (
                indicator in self.features or indicator == self.label.name
            ):
                raise ValueError(
                    f"the missing indicator of {name!r} and a column are both named {indicator!r}"
                )

    def label_classes(self) -> tuple[bool | int | str, ...]:
        """The classes in the order of their ids; empty for regression."""
        if self.task == "regression":
            return ()
        return self.label.classes if self.label.classes is not None else (0, 1)


NUMBER_TYPES = ("numeric", "cyclic", "boolean")


def is_number(spec: FeatureSpec) -> bool:
    """Whether the raw column must hold numbers (or booleans)."""
    return spec.type in NUMBER_TYPES


def indicator_name(feature: str) -> str:
    """The transformed feature that says whether `feature` was missing."""
    return f"{feature}_missing"
