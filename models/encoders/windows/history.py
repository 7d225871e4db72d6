"""A forecast returns to what was taken from its history: the season before, level, deviation.

The history is the first column of its window. All of it comes through the layer `features`, so
that the part of the network behind that layer is whole, and explanations and mixup go on to work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from contracts.errors import ModelError
from models.encoders.windows.encoding import WindowEncoding
from models.features.ports import InputSpec
from models.tasks.output import OutputSpec

FEATURES_LAYER = "features"


def with_history(inputs: Sequence[InputSpec], output: OutputSpec) -> list[InputSpec]:
    """Asks the encoder of the history for the steps that a forecast starts from."""
    return [
        replace(port, own=replace(port.own, reference_steps=output.season))
        if port.name == output.history and isinstance(port.own, WindowEncoding)
        else port
        for port in inputs
    ]


def undo_normalisation(
    network: Any, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any
) -> Any:
    """Gives the network whose forecasts are in the label's own unit.

    Args:
      network: It forecasts in units of its history's window as it was encoded, or, without a
        history, in deviations of the label.
      inputs: The ports, those of `with_history`.
      output: The history, its season, and the label's mean and deviation.
      keras_module: `keras` or `tf_keras`.

    Raises:
      ModelError: the network has no layer in which the history's numbers are found.
    """
    layers = keras_module.layers
    port = next((port for port in inputs if port.name == output.history), None)
    forecast = network.output
    if port is None:
        final = layers.Rescaling(output.deviation, output.mean, dtype="float32", name="forecast")
        return keras_module.Model(network.input, final(forecast), name=network.name)
    own = port.encoding
    assert isinstance(own, WindowEncoding)
    numbers = _HistoryNumbers(network, inputs, port, keras_module)
    if output.season:
        season = numbers.season(output)
        forecast = layers.Add(dtype="float32")([forecast, season])
    if own.encoder.normalize == "standard":
        forecast = layers.Multiply(dtype="float32")([forecast, numbers.deviation])
    if own.encoder.normalize != "none":
        forecast = layers.Add(dtype="float32")([forecast, numbers.level])
    final = layers.Rescaling(own.scales[0], own.offsets[0], dtype="float32", name="forecast")
    return keras_module.Model(network.input, final(forecast), name=network.name)


class _HistoryNumbers:
    """The numbers of one port in the layer `features`."""

    def __init__(
        self, network: Any, inputs: Sequence[InputSpec], port: InputSpec, keras_module: Any
    ) -> None:
        self._layers = keras_module.layers
        layer = next((layer for layer in network.layers if layer.name == FEATURES_LAYER), None)
        joined = [] if layer is None else layer.input
        tensors = joined if isinstance(joined, (list, tuple)) else [joined]
        if len(tensors) != len(inputs) or any(len(tensor.shape) != 2 for tensor in tensors):
            raise ModelError(
                f"the network does not join the history {port.name!r} with the other features",
                where="network.kind",
                expected="a network all of whose features go through one layer `features`, such "
                "as mlp, residual or linear",
                received=f"{len(tensors)} tensors in that layer for {len(inputs)} features",
                fix="choose another kind of network, or remove label.history",
            )
        widths = [int(tensor.shape[-1]) for tensor in tensors]
        place = next(i for i, other in enumerate(inputs) if other.name == port.name)
        steps, self._columns = port.row_shape
        encoding = port.encoding
        assert isinstance(encoding, WindowEncoding)
        self._steps = steps if encoding.encoder.values else encoding.reference_steps
        moments = {"none": 0, "level": 1, "standard": 2}[encoding.encoder.normalize]
        self._stop = sum(widths[: place + 1])
        self._level = self._stop - moments * self._columns
        self._total = sum(widths)
        self._column = self._layers.Reshape([self._total, 1])(layer.output)  # type: ignore[union-attr]

    @property
    def level(self) -> Any:
        """The window's mean, `[batch, 1]`."""
        return self._cut(self._level, 1)

    @property
    def deviation(self) -> Any:
        """The window's deviation, `[batch, 1]`."""
        return self._cut(self._stop - self._columns, 1)

    def season(self, output: OutputSpec) -> Any:
        """The same step of the season before, for all steps of all levels."""
        first_column = self._level - self._steps * self._columns
        start = first_column + self._steps - output.season
        parts = [
            self._cut(start, min(output.season, output.horizon - first))
            for first in range(0, output.horizon, output.season)
        ]
        every = parts * max(1, len(output.quantiles))
        return self._layers.Concatenate(dtype="float32")(every) if len(every) > 1 else every[0]

    def _cut(self, start: int, length: int) -> Any:
        layers = self._layers
        crop = layers.Cropping1D((start, self._total - start - length), dtype="float32")
        return layers.Flatten(dtype="float32")(crop(self._column))
