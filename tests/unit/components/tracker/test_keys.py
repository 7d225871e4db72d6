"""Whatever a column is called, MLflow takes its parameters and metrics."""

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name, _validate_param

from components.tracker.keys import valid_key


@given(st.text(max_size=300))
@example("")
@example(".")
@example("../up")
@example("a//b")
@example("line\n")
@example("features.(type).type")
@example("x" * 300)
@example("/" * 251)
def test_any_key_becomes_one_that_mlflow_takes(key: str) -> None:
    valid = valid_key(key)
    _validate_param(valid, "value")
    _validate_metric_name(valid)
    assert len(valid) <= MAX_ENTITY_KEY_LENGTH


@given(st.lists(st.text(max_size=5), unique=True, max_size=20))
@example(["(a)", "[a]", "{a}", "_a_"])
def test_keys_stay_apart(keys: list[str]) -> None:
    assert len({valid_key(key) for key in keys}) == len(keys)


def test_a_valid_key_stays_as_it_is() -> None:
    for key in ("training.optimizer.kind", "features.sepal length.type", "a/b", "île", "f1: a"):
        assert valid_key(key) == key
