"""The metrics a config may bound, by task, and which way each of them is better."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.features.spec import Task

_BINARY = {
    "roc_auc": True,
    "pr_auc": True,
    "f1": True,
    "precision": True,
    "recall": True,
    "accuracy": True,
    "log_loss": False,
    "calibration": None,
}
_MULTICLASS = {"accuracy": True, "macro_f1": True, "weighted_f1": True, "log_loss": False}
_REGRESSION = {"rmse": False, "mae": False, "r2": True}

HIGHER_IS_BETTER: Mapping[Task, Mapping[str, bool | None]] = MappingProxyType(
    {
        "binary": MappingProxyType(_BINARY),
        "multiclass": MappingProxyType(_MULTICLASS),
        "regression": MappingProxyType(_REGRESSION),
    }
)
"""By task and metric: whether higher is better.

None marks `calibration`, the ratio of the mean prediction to the mean label: its best
value is 1, so neither direction is better, and only a bound on it makes sense.
"""


_ANY_TASK = {name: better for names in HIGHER_IS_BETTER.values() for name, better in names.items()}


def direction_of(metric: str) -> bool | None:
    """Whether higher is better, in whatever task; None where neither is, or it is not known."""
    return _ANY_TASK.get(metric)


def metric_names(task: Task) -> tuple[str, ...]:
    """The metrics of `task`, in the order in which they are reported."""
    return tuple(HIGHER_IS_BETTER[task])


def can_bound_change(task: Task, metric: str) -> bool:
    """Whether "worse than the baseline" has a meaning for `metric`."""
    return HIGHER_IS_BETTER[task][metric] is not None
