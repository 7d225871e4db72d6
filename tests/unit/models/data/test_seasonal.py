"""What MASE is scaled by: the seasonal naive error on train."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from models.data import seasonal
from models.data.seasonal import forecast_facts
from models.encoders.windows.encoding import window_port
from models.encoders.windows.linear import LinearEncoder
from models.features.spec import FeaturesSpec

_STEPS, _HORIZON, _SEASON = 8, 6, 2


@pytest.mark.parametrize("season", [_SEASON, None])
def test_mase_is_scaled_by_one_season_however_long_the_horizon(
    season: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = {"name": "y", "steps": _HORIZON, "quantiles": [0.1, 0.5, 0.9]}
    problem = FeaturesSpec.model_validate(
        {
            "task": "forecast",
            "label": {**label, "history": "past", "season": season},
            "features": {"past": {"type": "window", "columns": ["y_past"], "steps": _STEPS}},
        }
    )
    series = np.cumsum(np.random.default_rng(0).normal(10, 1, 60)).astype(np.float32)
    # Each step is one of the first two of one window.
    starts = np.arange(_STEPS, len(series) - _HORIZON, _SEASON)
    past = (series[starts[:, None] + np.arange(-_STEPS, 0)] - 10.0) / 2.0
    future = series[starts[:, None] + np.arange(_HORIZON)]
    train = SimpleNamespace(
        chunks=tf.data.Dataset.from_tensors({"past": past[:, :, None], "y": future}), label="y"
    )
    ports = [window_port("past", _STEPS, LinearEncoder(), (10.0,), (2.0,))]
    monkeypatch.setattr(seasonal, "input_specs", lambda *_: ports)
    facts = forecast_facts(problem, None, train)
    assert facts is not None
    steps = np.arange(starts[0], starts[-1] + _SEASON)
    textbook = float(np.abs(series[steps] - series[steps - _SEASON]).mean())
    assert facts.seasonal_error == (None if season is None else pytest.approx(textbook, rel=1e-4))
