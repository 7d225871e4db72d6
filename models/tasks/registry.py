"""Finds a task: one of ours, one of an installed package, or a user's own."""

from __future__ import annotations

import importlib
from functools import lru_cache
from importlib.metadata import entry_points

from contracts.errors import ConfigError
from models.tasks.task import Task
from models.user_code import describe_place, load_function

ENTRY_POINTS = "kelp.tasks"
_OURS = {
    "binary": "models.tasks.binary:Binary",
    "multiclass": "models.tasks.multiclass:Multiclass",
    "regression": "models.tasks.regression:Regression",
    "forecast": "models.tasks.forecast:Forecast",
}


@lru_cache
def task_names() -> tuple[str, ...]:
    """The tasks that have a name; any other one is named by its import path.

    What is installed is looked at once: a report asks for each of its metrics.
    """
    return (*_OURS, *sorted(entry.name for entry in entry_points(group=ENTRY_POINTS)))


def is_task(name: str) -> bool:
    """Whether there is such a task; of ours, without a look at what is installed."""
    return name in _OURS or task_path(name) is not None


def task_path(name: str) -> str | None:
    """The import path of a task that is not one of ours; None for ours and unknown ones."""
    if name in _OURS:
        return None
    if ":" in name:
        return name
    return next((entry.value for entry in entry_points(group=ENTRY_POINTS, name=name)), None)


@lru_cache
def find_task(name: str) -> Task:
    """Gives a task.

    Args:
      name: One of ours, the name of an entry point of `kelp.tasks`, or the import path
        `package.module:Class` of a user's own, beside the config or installed.

    Raises:
      ConfigError: there is no such task.
    """
    if name in _OURS:
        module, _, ours = _OURS[name].partition(":")
        task: Task = getattr(importlib.import_module(module), ours)()
        return task
    path = task_path(name)
    if path is None:
        raise ConfigError(
            f"There is no task {name!r}.",
            where="task",
            expected=f"{', '.join(task_names())}, or package.module:Class",
            received=repr(name),
        )
    found: object = load_function(path)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(
            f"{path} is no task.",
            where=describe_place(path),
            expected="a class that inherits models.tasks.Task or models.tasks.NumberTask",
            received=repr(found),
        )
    return found(name)
