"""What each feature and the label are, and the names they go by after the transform.

Conventions that training and serving share:

- A missing value is NaN in a float column, `MISSING_INT` in an integer column and
  `MISSING_TEXT` in a text column. The schema's dense representation fills them in when
  examples are parsed, so the graph sees one dense tensor per column: `[batch, 1]`, or
  `[batch, size]` where a row holds a list of floats, in which a missing step is NaN.
- What a feature becomes, its kind says: see models/features/kind.py.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts.columns import indicator_name
from contracts.names import serving_name
from contracts.spec import Spec
from models.features.kind import FeatureKind
from models.features.registry import FeatureSpec
from models.tasks import find_task, is_task, task_names
from models.tasks.label_scale import LabelScale


def _known(name: str) -> str:
    if not is_task(name):
        raise PydanticCustomError(
            "literal_error",
            "Input should be {expected}",
            {"expected": " or ".join(map(repr, task_names()))},
        )
    find_task(name)
    return name


Task = Annotated[str, AfterValidator(_known)]
"""The name of a task: see models/tasks/registry.py."""


QUANTILES = (0.1, 0.5, 0.9)
"""What a forecast gives where the config does not say."""


class LabelSpec(Spec):
    """The column to predict.

    `classes` lists the label's values in the order of their ids; for a binary task the
    second one is the positive class. A label of 0 and 1 needs no list.

    `scale` is the unit in which a regression learns: the label in `standard` deviations, the
    logarithm of 1 + the label, or the normal score of its rank on train. The model itself
    undoes it: it predicts in the label's own unit.

    `steps` is the length of a label that is a list of numbers, such as a forecast's horizon.

    A forecast has three keys more. `quantiles` are the levels that it gives for each step: they
    rise, and the middle one is 0.5, the point forecast. `history` is the window feature that
    holds the label's own past. `season` is how many steps back of it a forecast starts from, and
    what MASE is scaled by.
    """

    name: str = Field(min_length=1)
    classes: tuple[bool | int | str, ...] | None = None
    scale: LabelScale = "standard"
    steps: int | None = Field(None, ge=2)
    quantiles: tuple[float, ...] | None = None
    history: str | None = None
    season: int | None = Field(None, ge=1)

    @field_validator("quantiles")
    @classmethod
    def _around_the_median(cls, levels: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if levels is None:
            return None
        rising = all(low < high for low, high in pairwise((0.0, *levels, 1.0)))
        if not (rising and len(levels) % 2 and levels[len(levels) // 2] == 0.5):
            raise ValueError(
                "quantiles must rise between 0 and 1, with 0.5 in the middle, such as "
                "[0.1, 0.5, 0.9]"
            )
        return levels

    @model_validator(mode="after")
    def _season_of_history(self) -> LabelSpec:
        if self.season is not None and self.history is None:
            raise ValueError(
                "Invalid season. Expected: history, the feature of the label's past, beside it"
            )
        return self

    @model_validator(mode="after")
    def _distinct(self) -> LabelSpec:
        if self.classes is not None and len(set(map(str, self.classes))) < len(self.classes):
            raise ValueError("classes names a class twice")
        return self


class FeaturesSpec(Spec):
    """All that Transform needs to know: the task, the label and the features.

    Attributes:
      task: The task.
      label: The label.
      features: The features by name.
      code: The digest of the users' code that the features name: it is part of the keys of
        the cache, and nothing else.
    """

    task: Task
    label: LabelSpec
    features: dict[str, FeatureSpec] = Field(min_length=1)
    code: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> FeaturesSpec:
        if self.label.name in self.features:
            raise ValueError(f"the label {self.label.name!r} is also listed as a feature")
        if self.label.name in self.raw_columns():
            raise ValueError(f"a feature is made of the label {self.label.name!r}")
        wrong = find_task(self.task).label_error(self.label.classes)
        if wrong is not None:
            raise ValueError(wrong)
        scales = find_task(self.task).label_scales
        if self.label.scale not in scales:
            raise ValueError(
                f"label.scale: a {self.task} task learns {' or '.join(scales)}, not "
                f"{self.label.scale}: remove the key"
            )
        self._check_names()
        self._check_sizes()
        self._check_forecast()
        return self

    def _check_sizes(self) -> None:
        if self.label.steps is not None and not find_task(self.task).takes_steps:
            raise ValueError(f"label.steps: a {self.task} task predicts one value: remove the key")
        sizes: dict[str, tuple[int, str]] = {}
        for name, spec in self.features.items():
            for column in spec.raw_columns(name):
                size, other = sizes.setdefault(column, (spec.raw_size(), name))
                if size != spec.raw_size():
                    raise ValueError(
                        f"the column {column!r} holds {size} values a row for {other!r}, and "
                        f"{spec.raw_size()} for {name!r}"
                    )

    def _check_forecast(self) -> None:
        label = self.label
        if find_task(self.task).form != "forecast":
            for key in ("quantiles", "history", "season"):
                if getattr(label, key) is not None:
                    raise ValueError(f"label.{key} is for forecasts: a {self.task} task has none")
            return
        if label.steps is None:
            raise ValueError("label.steps: a forecast needs the number of steps of its horizon")
        if label.history is None:
            return
        windows = {name: spec.raw_size() for name, spec in self.features.items()}
        steps = windows.get(label.history, 1)
        if steps == 1:
            raise ValueError(
                f"label.history names {label.history!r}, which is no window: expected one of "
                f"{', '.join(name for name, size in windows.items() if size > 1) or 'none'}"
            )
        if label.season is not None and label.season > steps:
            raise ValueError(
                f"label.season is {label.season} steps, and {label.history!r} has {steps}"
            )

    def _check_names(self) -> None:
        taken: dict[str, str] = {}
        for name in self.raw_columns():
            other = taken.setdefault(serving_name(name), name)
            if other != name:
                # A suffix for one of them would change the input's name of a model that is
                # served already, as soon as its data gets another column.
                raise ValueError(
                    f"{other!r} and {name!r} would both be served as {serving_name(name)!r}: "
                    "rename one in the data, or leave it out of features"
                )
        made = {self.label.name, *self.features}
        for name, spec in self.features.items():
            for other in spec.outputs(name)[1:]:
                if other in made:
                    raise ValueError(
                        f"the missing indicator of {name!r} and a column are both named {other!r}"
                        if other == indicator_name(name)
                        else f"{name!r} and another feature both give {other!r}"
                    )
                made.add(other)

    def raw_columns(self) -> dict[str, FeatureKind]:
        """The raw columns that the features are made of, in their order.

        Each comes with its feature: the first one that asks for values of some kind.
        """
        columns: dict[str, FeatureKind] = {}
        for name, spec in self.features.items():
            for column in spec.raw_columns(name):
                if column not in columns or columns[column].raw_values == "any":
                    columns[column] = spec
        return columns

    def raw_sizes(self) -> dict[str, int]:
        """How many values a row of each raw column and of the label holds."""
        sizes = {name: kind.raw_size() for name, kind in self.raw_columns().items()}
        return {**sizes, self.label.name: self.label.steps or 1}

    def file_columns(self) -> tuple[str, ...]:
        """The raw columns that hold files."""
        columns = self.raw_columns().items()
        return tuple(name for name, spec in columns if spec.raw_values == "files")

    def slice_figures(self) -> dict[str, str]:
        """The names of figures that rows may be sliced by, each with its raw column.

        A raw column or a label of that name stands for itself.
        """
        columns = self.raw_columns()
        figures = {
            f"{column}_{figure}": column
            for column, kind in columns.items()
            for figure in kind.slice_figures
        }
        taken = {self.label.name, *columns}
        return {name: column for name, column in figures.items() if name not in taken}

    def not_offered(self) -> dict[str, tuple[str, ...]]:
        """What the kinds of some features do not offer: it is not measured for these."""
        missing: dict[str, list[str]] = {}
        for name, spec in self.features.items():
            for what in spec.not_offered():
                missing.setdefault(what, []).append(name)
        return {what: tuple(names) for what, names in missing.items()}

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The levels that a forecast gives; empty for other tasks."""
        if find_task(self.task).form != "forecast":
            return ()
        return QUANTILES if self.label.quantiles is None else self.label.quantiles

    def label_classes(self) -> tuple[bool | int | str, ...]:
        """The classes in the order of their ids; empty where the label is a number."""
        if not find_task(self.task).has_classes:
            return ()
        return self.label.classes if self.label.classes is not None else (0, 1)
