"""A task is found by name or by import path, and a mistake in its name is refused early."""

from __future__ import annotations

import itertools
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from pydantic import ValidationError

from contracts.errors import ConfigError
from evidence.groups import whole
from evidence.measures import Outcome, sign_of, values
from models.features.spec import FeaturesSpec
from models.tasks import find_task, registry, task_names
from models.user_code import CODE_FOLDER_VARIABLE

_NUMBERS = itertools.count()
TASK = """
import numpy as np
from models.tasks import Metric
from models.tasks.regression import Regression

class Bias(Regression):
    main_metric = "bias"
    metrics = {"bias": Metric(False, lambda labels, scores: np.abs(scores - labels) + 1)}

other = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with a task, beside the config."""
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(tmp_path))
    name = f"users_task_{next(_NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(TASK)
    return name


@pytest.mark.parametrize("name", task_names())
def test_each_of_ours_has_its_name_and_reports_its_main_metric(name):
    task = find_task(name)
    assert task.name == name
    assert task.metrics[task.main_metric].higher_is_better is not None
    # TFMA takes points, the evidence quantiles.
    assert {task.score_output, "predictions"} & set(task.tfma_metrics)


def test_a_users_task_brings_its_metrics(module):
    name = f"{module}:Bias"
    assert find_task(name).name == name
    outcome = Outcome(name, np.array([1.0, 2.0]), np.array([1.5, 2.0]), None)
    assert values("bias", outcome, whole(2)) == pytest.approx([1.25])
    assert sign_of(name, "bias") == -1


def test_an_entry_point_names_a_task(module, monkeypatch):
    entry = EntryPoint("bias", f"{module}:Bias", registry.ENTRY_POINTS)

    def entry_points(group, name=None):
        return [entry] if group == registry.ENTRY_POINTS and name in (None, "bias") else []

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert find_task("bias").main_metric == "bias"
    find_task.cache_clear()


def test_one_of_ours_is_known_without_a_look_at_what_is_installed(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", None)
    FeaturesSpec.model_validate(
        {"task": "binary", "label": {"name": "y"}, "features": {"x": {"type": "numeric"}}}
    )


def test_what_is_no_task_is_refused(module):
    with pytest.raises(ConfigError, match="is not the function") as caught:
        find_task(f"{module}:other")
    assert f"{module}.py" in caught.value.where
    with pytest.raises(ConfigError, match="is no task") as caught:
        find_task("json:JSONDecoder")
    assert "models.tasks" in caught.value.expected
    with pytest.raises(ConfigError, match="no task 'clustering'"):
        find_task("clustering")


def test_an_unknown_name_is_a_finding_of_its_key():
    fields = {"label": {"name": "y"}, "features": {"x": {"type": "numeric"}}}
    with pytest.raises(ValidationError, match="'binary' or 'multiclass' or 'regression'"):
        FeaturesSpec.model_validate({"task": "binray", **fields})
