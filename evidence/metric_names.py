"""The metrics a config may bound, by task, and which way each of them is better."""

from __future__ import annotations

from models.tasks import find_task, task_names


def direction_of(metric: str) -> bool | None:
    """Whether higher is better, in whatever task; None where neither is, or it is not known."""
    tables = (find_task(name).metrics for name in task_names())
    return next((t[metric].higher_is_better for t in tables if metric in t), None)


def metric_names(task: str) -> tuple[str, ...]:
    """The metrics of `task`, in the order in which they are reported."""
    return tuple(find_task(task).metrics)


def can_bound_change(task: str, metric: str) -> bool:
    """Whether "worse than the baseline" has a meaning for `metric`."""
    return find_task(task).metrics[metric].higher_is_better is not None
