"""The config of the Stress component, and which features a stress falls on."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.errors import ConfigError
from contracts.spec import Spec
from evidence.config import ImportanceSpec, StressSpec
from models.features.registry import KINDS
from models.features.spec import FeaturesSpec


class StressJob(Spec):
    """All that the component needs, as JSON.

    Attributes:
      problem: The features and the label.
      stress: The stresses by name.
      importance: How permutation importance is taken.
      metric: The main metric; None is the task's own.
      resamples: Of the bootstrap.
      confidence: Of the intervals.
      seed: Of every random draw.
      cluster_columns: Columns whose equal values mark rows that the bootstrap draws together.
      block_length: Where the one of them is a time, how long the blocks are that are drawn.
      sample_rows: Of test: of more rows, about as many are drawn; fewer of images or long windows.
    """

    problem: FeaturesSpec
    stress: dict[str, StressSpec] = {}
    importance: ImportanceSpec = ImportanceSpec()
    metric: str | None = None
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0
    cluster_columns: tuple[str, ...] = ()
    block_length: float | None = None
    sample_rows: int = 250_000


def stressed_features(name: str, stress: StressSpec, problem: FeaturesSpec) -> tuple[str, ...]:
    """The features that a stress falls on: those it names, or all that it applies to.

    There are none where the kind of the features offers no stress.

    Raises:
      ConfigError: it names what is no feature or of another type, or applies to none.
    """
    types = [kind for kind, spec in KINDS.items() if stress.kind in spec.stresses]
    for column in stress.columns:
        _check(name, stress, column, problem, types)
    found = stress.columns or tuple(
        feature
        for feature, spec in problem.features.items()
        if spec.stresses.get(stress.kind, False)
    )
    offers_none = [spec for spec in problem.features.values() if not spec.stresses]
    if not found and not offers_none:
        raise ConfigError(
            f"the stress {name!r} applies to no feature",
            where=f"evaluation.stress.{name}",
            expected=f"a feature of type {' or '.join(types)}",
            received=f"features without one, for a stress of kind {stress.kind}",
            fix="take the stress out of the config",
        )
    return found


def _check(
    name: str, stress: StressSpec, column: str, problem: FeaturesSpec, types: Sequence[str]
) -> None:
    spec = problem.features.get(column)
    if spec is None:
        raise ConfigError(
            f"the stress {name!r} names {column!r}, which is no feature",
            where=f"evaluation.stress.{name}.columns",
            expected=f"features, such as {', '.join(list(problem.features)[:8])}",
            received=column,
            fix="correct the name",
        )
    if stress.kind not in spec.stresses:
        raise ConfigError(
            f"the stress {name!r} cannot fall on {column!r}",
            where=f"evaluation.stress.{name}.columns",
            expected=f"features of type {' or '.join(types)} for a stress of kind {stress.kind}",
            received=f"{column} of type {spec.type}",
            fix="take the column out, or choose another kind of stress",
        )
