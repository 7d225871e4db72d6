"""Kinds of features: those of Kelp, and a user's own by import path."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from contracts.errors import ConfigError
from models.features.kind import FeatureKind
from models.features.registry import KINDS
from models.features.spec import FeaturesSpec
from models.user_code import CODE_FOLDER_VARIABLE, explain_user_error
from pipelines.config.problem import load_config

OWN = Path(__file__).parents[3] / "own_code"
SIZE = {"type": "my_project.sizes:Ordered", "order": ["small", "large"]}


@pytest.fixture(autouse=True)
def own_code(monkeypatch):
    """The modules of the fixture, found as those beside a config are, and forgotten after."""
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(OWN))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_project"]:
        del sys.modules[name]


def _problem(features):
    return FeaturesSpec.model_validate(
        {"task": "binary", "label": {"name": "y"}, "features": features}
    )


def test_a_kind_of_a_users_own_keeps_its_class_and_keys_as_json():
    problem = _problem({"size": SIZE, "x": {"type": "numeric"}})
    again = FeaturesSpec.model_validate_json(problem.model_dump_json())
    assert again == problem
    assert type(again.features["size"]).__name__ == "Ordered"
    assert again.features["size"].order == ("small", "large")
    with pytest.raises(ValidationError, match="order"):
        _problem({"size": {**SIZE, "order": 3}})


def test_a_path_that_names_no_kind_is_refused():
    with pytest.raises(ConfigError, match=r"sizes:InputSpec is no kind of feature"):
        _problem({"size": {"type": "my_project.sizes:InputSpec"}})
    with pytest.raises(ConfigError, match="no function 'Orderd'") as caught:
        _problem({"size": {"type": "my_project.sizes:Orderd"}})
    assert "Ordered" in caught.value.fix


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_kind_may_be_derived_from_one_of_kelps(kind):
    class Derived(kind):
        pass

    keys = {"type": "my_project.kinds:Derived", "period": 24, "function": "a.b:c"}
    keys |= {"steps": 24, "height": 8, "width": 8}
    fields = {key: value for key, value in keys.items() if key in kind.model_fields}
    spec = Derived.model_validate(fields)
    assert spec.user_code()
    if kind.few_values or kind.new_values:
        learned = SimpleNamespace(words=lambda name: (b"red",), lines=lambda asset: (b"red",))
        assert spec.preparation("x", learned)["kind"] in KINDS


def test_what_a_kind_does_not_offer_is_listed_and_kelps_kinds_offer_all():
    python = {"type": "python", "function": "my_project.ratios:log_ratio", "columns": ["a", "b"]}
    problem = _problem({"size": SIZE, "ratio": python, "x": {"type": "numeric"}})
    assert problem.not_offered() == {
        "data audit": ("size",),
        "stress": ("size", "ratio"),
        "slices": ("size",),
        "TFLite and ONNX variants": ("size", "ratio"),
    }
    assert list(problem.raw_columns()) == ["size", "a", "b", "x"]
    assert all(
        not kind.model_construct(type=name).not_offered()
        for name, kind in KINDS.items()
        if name != "python"
    )
    assert all(issubclass(kind, FeatureKind) for kind in KINDS.values())


def test_a_feature_made_of_the_label_is_refused():
    leak = {"type": "python", "function": "a.b:c", "columns": ["x", "y"]}
    with pytest.raises(ValidationError, match="a feature is made of the label 'y'"):
        _problem({"leak": leak})


def test_editing_what_a_feature_imports_changes_the_problem_and_with_it_the_caches_key(tmp_path):
    shutil.copytree(OWN, tmp_path, dirs_exist_ok=True)
    (tmp_path / "parcels.csv").write_text("late\n")
    problem = load_config(tmp_path / "parcels.yaml").config.problem()
    assert problem.code
    assert load_config(tmp_path / "parcels.yaml").config.problem() == problem
    logs = tmp_path / "my_project" / "logs.py"
    logs.write_text(logs.read_text() + "# edited\n")
    changed = load_config(tmp_path / "parcels.yaml").config.problem()
    assert changed.code != problem.code
    assert changed.features == problem.features


def test_a_function_that_is_not_there_is_refused_before_a_run(tmp_path):
    shutil.copytree(OWN, tmp_path, dirs_exist_ok=True)
    with pytest.raises(ConfigError, match="no function 'log_ratios'") as caught:
        load_config(
            tmp_path / "parcels.yaml",
            ["features.density.function=my_project.ratios:log_ratios"],
        )
    assert "features.density.function" in caught.value.where
    assert "log_ratio" in caught.value.fix


@pytest.mark.parametrize("module", ["sizes", "ratios", "logs"])
def test_the_page_on_own_features_shows_what_is_tested(module):
    page = (OWN.parents[1] / "docs" / "own-features.md").read_text()
    assert (OWN / "my_project" / f"{module}.py").read_text() in page


def test_a_mistake_in_a_kind_is_reported_with_the_users_own_line(tmp_path, monkeypatch):
    import tensorflow as tf

    from models.features.preprocessing import preprocessing_fn

    shutil.copytree(OWN, tmp_path, dirs_exist_ok=True)
    sizes = tmp_path / "my_project" / "sizes.py"
    sizes.write_text(sizes.read_text().replace("tf.equal(", "tf.equals("))
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(tmp_path))
    problem = _problem({"size": SIZE})
    with pytest.raises(AttributeError) as caught:
        preprocessing_fn(
            {"size": tf.constant([["small"]]), "y": tf.constant([[1]], tf.int64)},
            {"spec": problem.model_dump_json()},
        )
    reported = explain_user_error(caught.value)
    assert reported is not None
    assert "sizes.py, line 23, in transform: matches = tf.cast(tf.equals" in reported.where
