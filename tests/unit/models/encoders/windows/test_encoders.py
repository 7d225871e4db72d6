from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tf_keras
from pydantic import TypeAdapter

from contracts.errors import ModelError
from models.encoders.windows.encoder import WindowEncoder
from models.encoders.windows.encoding import window_port
from models.encoders.windows.history import undo_normalisation
from models.encoders.windows.spec import WindowEncoderSpec
from models.features.ports import InputSpec
from models.networks import build_network
from models.networks.linear import LinearSpec
from models.networks.mlp import MlpSpec
from models.networks.ports import OutputSpec
from models.networks.transformer import TransformerSpec

STEPS, HORIZON = 24, 6
SMALL = {
    "linear": {},
    "cnn": {"filters": 4, "layers": 2},
    "lstm": {"units": 4},
    "gru": {"units": 4},
    "transformer": {"width": 4, "heads": 2, "blocks": 1},
}
OUTPUT = OutputSpec("forecast", mean=5.0, deviation=2.0, horizon=HORIZON, quantiles=(0.1, 0.5, 0.9))


def encoder(kind: str, **keys: Any) -> WindowEncoder:
    spec: WindowEncoder = TypeAdapter(WindowEncoderSpec).validate_python(
        {"kind": kind, **SMALL[kind], **keys}
    )
    return spec


def ports(kind: str, **keys: Any) -> list[InputSpec]:
    history = window_port("past", STEPS, encoder(kind, **keys), (3.0, 0.0), (0.5, 1.0))
    return [InputSpec("price", "dense", 1), history]


def rows(count: int) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    window = random.normal(0, 1, (count, STEPS, 2)).astype(np.float32)
    return {"price": np.ones([count, 1], np.float32), "past": window}


def history_output(season: int) -> OutputSpec:
    return OutputSpec(
        "forecast",
        horizon=HORIZON,
        quantiles=(0.1, 0.5, 0.9),
        history="past",
        season=season,
    )


@pytest.mark.parametrize(
    ("kind", "normalize"), [*((kind, "level") for kind in SMALL), ("linear", "standard")]
)
def test_both_kerases_forecast_alike(kind: str, normalize: str) -> None:
    spec, output = MlpSpec(kind="mlp", units=(8,)), history_output(12)
    inputs = ports(kind, normalize=normalize, values=kind == "linear")
    network = build_network(spec, inputs, output, keras)
    model = build_network(spec, inputs, output, tf_keras)
    model.set_weights(network.get_weights())
    forecast = np.asarray(network(rows(5)))
    assert forecast.shape == (5, 3 * HORIZON)
    np.testing.assert_allclose(forecast, np.asarray(model(rows(5))), atol=1e-4)
    levels = forecast.reshape(5, 3, HORIZON)
    assert (np.diff(levels, axis=1) >= 0).all()


@pytest.mark.parametrize("normalize", ["level", "standard", "none"])
@pytest.mark.parametrize("season", [4, 12])
def test_a_network_of_zeros_forecasts_the_season_before(normalize: str, season: int) -> None:
    inputs, features = ports("linear", normalize=normalize), rows(3)
    network = build_network(LinearSpec(kind="linear"), inputs, history_output(season), keras)
    # In the label's own unit: the transform took 3 and divided by 0.5.
    past = features["past"][:, :, 0] * 0.5 + 3.0
    again = np.take(past, np.arange(HORIZON) % season + STEPS - season, axis=1)
    median = np.asarray(network(features)).reshape(3, 3, HORIZON)[:, 1]
    np.testing.assert_allclose(median, again, atol=1e-4)


def test_without_a_history_the_forecast_is_in_deviations_of_the_label() -> None:
    network = build_network(LinearSpec(kind="linear"), ports("linear"), OUTPUT, keras)
    levels = np.asarray(network(rows(2))).reshape(2, 3, HORIZON)
    np.testing.assert_allclose(levels[:, 1], 5.0, atol=1e-5)
    np.testing.assert_allclose(levels[:, 2] - levels[:, 1], 2.0, atol=1e-5)


def test_a_history_must_be_joined_with_the_other_features() -> None:
    inputs = ports("linear")
    entry = keras.Input((3,))
    other = keras.Model(entry, keras.layers.Dense(HORIZON)(entry))
    with pytest.raises(ModelError, match="does not join the history"):
        undo_normalisation(other, inputs, history_output(0), keras)
    # A transformer of features has such a layer too.
    network = build_network(TransformerSpec(kind="transformer"), inputs, history_output(6), keras)
    assert network.output.shape == (None, 3 * HORIZON)
