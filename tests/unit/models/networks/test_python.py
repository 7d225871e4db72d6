"""A user's own network: built, and refused with the user's own line where it is not usable."""

from __future__ import annotations

import itertools
import json
import textwrap

import keras
import pytest
import tf_keras

from contracts.errors import ConfigError, ModelError
from models.compression.spec import OriginalSpec, parse_weights
from models.compression.techniques.table import unsupported
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import PythonSpec
from models.user_code import CODE_FOLDER_VARIABLE

INPUTS = [InputSpec("x", "dense", 2), InputSpec("color", "one_hot", 4)]
_NUMBERS = itertools.count()
GOOD = """
    import keras
    from models.networks import head, joined_features

    def build(inputs, output, units=4):
        entries, features = joined_features(inputs, keras)
        hidden = keras.layers.Dense(units)(features)
        return keras.Model(entries, head(output, keras.layers)(hidden))
"""
_OWN_ENTRIES = """entries = {
            one.name: keras.Input(one.row_shape, dtype=one.encoding.dtype) for one in inputs
        }
        features = keras.layers.Concatenate()(list(entries.values()))"""


@pytest.fixture
def function(tmp_path, monkeypatch):
    """Writes a module with the function and gives the spec of the network."""
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(tmp_path))

    def write(text=GOOD, **options):
        module = f"users_network_{next(_NUMBERS)}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(text).lstrip())
        return PythonSpec(kind="python", function=f"{module}:build", options=options)

    return write


@pytest.mark.parametrize(
    ("task", "classes", "width"), [("binary", 2, 1), ("multiclass", 3, 3), ("regression", 0, 1)]
)
def test_it_is_built_for_each_task_with_its_options(function, task, classes, width):
    network = build_network(function(units=7), INPUTS, OutputSpec(task, classes), keras)
    assert network.output.shape == (None, width)
    assert network.layers[-1 if task != "regression" else -2].kernel.shape[0] == 7


@pytest.mark.parametrize(
    ("old", "new", "what", "received"),
    [
        ("return keras", "keras", "does not return a functional Keras model", "NoneType"),
        ("head(output, keras.layers)(hidden)", "hidden", "with another output", "(None, 4)"),
        (
            "head(output, keras.layers)",
            "keras.layers.Dense(1)",
            "does not end as a binary task needs",
            "activation linear",
        ),
        ("keras.Model(entries,", "keras.Model([*entries.values()],", "other inputs", "no dict"),
        (
            "keras.layers.Dense(units)(features)",
            "keras.layers.Lambda(lambda x: x)(features)",
            "that Keras cannot save and load",
            "lambda",
        ),
    ],
)
def test_another_model_is_refused_with_the_line_of_the_function(function, old, new, what, received):
    spec = function(GOOD.replace(old, new))
    with pytest.raises(ModelError, match=what) as caught:
        build_network(spec, INPUTS, OutputSpec("binary", 2), keras)
    assert received in caught.value.received
    assert f"{spec.function.partition(':')[0]}.py, line 4" in caught.value.where
    assert len(caught.value.lines()) <= 10


def test_a_network_that_calls_python_is_refused(function):
    text = """
        import keras
        import tensorflow as tf
        from models.networks import head, joined_features

        @keras.saving.register_keras_serializable("test_python")
        class Doubled(keras.layers.Layer):
            def call(self, x):
                return tf.ensure_shape(tf.numpy_function(lambda y: 2 * y, [x], x.dtype), x.shape)

            def compute_output_shape(self, shape):
                return shape

        def build(inputs, output):
            entries, features = joined_features(inputs, keras)
            return keras.Model(entries, head(output, keras.layers)(Doubled()(features)))
    """
    with pytest.raises(ModelError) as caught:
        build_network(function(text), INPUTS, OutputSpec("binary", 2), keras)
    lines = "\n".join(caught.value.lines())
    assert "returns a model that calls Python, which no server has" in lines
    assert "tf.numpy_function" in lines


def test_features_need_not_be_joined_in_a_layer_of_ours(function):
    own = GOOD.replace("entries, features = joined_features(inputs, keras)", _OWN_ENTRIES)
    network = build_network(function(own), INPUTS, OutputSpec("binary", 2), keras)
    assert "features" not in [layer.name for layer in network.layers]


def test_an_exception_and_an_unknown_option_name_the_line(function):
    spec = function(GOOD.replace("units)(features)", "units)(missing)"))
    with pytest.raises(ModelError, match="name 'missing' is not defined") as caught:
        build_network(spec, INPUTS, OutputSpec("binary", 2), keras)
    assert ", line 6, in build: hidden = keras.layers.Dense" in caught.value.where
    with pytest.raises(ConfigError, match="unexpected keyword argument 'depth'"):
        build_network(function(depth=2), INPUTS, OutputSpec("binary", 2), keras)


def test_an_error_of_keras_names_the_users_line(function):
    spec = function(GOOD.replace("Dense(units)(features)", "Reshape([5, 5])(features)"))
    with pytest.raises(ModelError, match="raised ValueError") as caught:
        build_network(spec, INPUTS, OutputSpec("binary", 2), keras)
    assert ", line 6, in build: hidden = keras.layers.Reshape" in caught.value.where


def test_it_is_not_built_under_tf_keras(function):
    with pytest.raises(ModelError, match="functional Keras model"):
        build_network(function(), INPUTS, OutputSpec("binary", 2), tf_keras)


@pytest.mark.parametrize("weights", ["pruned", "clustered", "qat", "distilled"])
def test_techniques_that_need_another_network_are_unsupported(function, weights):
    assert unsupported(parse_weights(json.dumps({"weights": weights})), function())
    assert unsupported(OriginalSpec(), function()) is None
