"""Tasks: one module each, found by name, by entry point or by import path."""

from __future__ import annotations

from models.tasks.registry import find_task, is_task, task_names, task_path
from models.tasks.task import Metric, NumberTask, Task

__all__ = ["Metric", "NumberTask", "Task", "find_task", "is_task", "task_names", "task_path"]
