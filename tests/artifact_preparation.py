"""Prepares the inputs of a model file as the developer of an app would: from its JSON alone.

It imports nothing of Kelp's, and no numpy: what it needs stands in `artifact.json`.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any


class App:
    """Reads `artifact.json` once, then prepares rows.

    Args:
      folder: Where `artifact.json` is.
    """

    def __init__(self, folder: Path) -> None:
        content = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
        self.instructions: list[str] = content["instructions"]
        self.examples: list[dict[str, Any]] = content["examples"]
        self.inputs: list[dict[str, Any]] = content["inputs"]
        self._features = content["preparation"]["features"]

    def tensors(self, row: dict[str, Any]) -> dict[str, list[float]]:
        """One row by tensor."""
        features = self.prepare(row)
        return {entry["tensor"]: features[entry["feature"]] for entry in self.inputs}

    def prepare(self, row: dict[str, Any]) -> dict[str, list[float]]:
        """One row by feature."""
        features: dict[str, list[float]] = {}
        for feature in self._features:
            value = row.get(feature["column"])
            if isinstance(value, float) and not math.isfinite(value):
                value = None
            if feature.get("vocabulary") is not None:
                features[feature["column"]] = [_id(value, feature)]
                continue
            if value is not None and feature["raw"] == "int64":
                value = math.trunc(value)
            features[feature["column"]] = _numbers(value, feature)
            if feature["missing_indicator"]:
                features[feature["column"] + "_missing"] = [float(value is None)]
        return features


def _id(value: Any, feature: dict[str, Any]) -> int:
    vocabulary = feature["vocabulary"]
    if value is None or value == "":
        text = "__missing__"
    elif feature["raw"] == "float32":
        text = f"{_float32(value):g}"
    else:
        text = str(value)
    return vocabulary.index(text) if text in vocabulary else len(vocabulary)


def _numbers(value: Any, feature: dict[str, Any]) -> list[float]:
    kind = feature["kind"]
    if kind == "cyclic":
        if value is None:
            return [0.0, 0.0]
        angle = _float32(_float32(value) * feature["angle"])
        return [math.sin(angle), math.cos(angle)]
    if value is not None and feature.get("low") is not None:
        value = min(max(_float32(value), feature["low"]), feature["high"])
    if value is None:
        value = feature["filler"]
    elif kind == "boolean":
        value = float(value != 0)
    if feature.get("log"):
        value = math.copysign(math.log1p(abs(value)), value)
    if feature.get("quantiles") is not None:
        value = _score(_float32(value), feature["quantiles"], feature["scores"])
    if feature.get("scale") is not None:
        value = _float32(_float32(value) - feature["offset"]) / feature["scale"]
    return [_float32(value)]


def _score(value: float, quantiles: list[float], scores: list[float]) -> float:
    if value <= quantiles[0]:
        return scores[0]
    if value >= quantiles[-1]:
        return scores[-1]
    last = max(place for place, quantile in enumerate(quantiles) if quantile <= value)
    share = (value - quantiles[last]) / (quantiles[last + 1] - quantiles[last])
    return scores[last] + (scores[last + 1] - scores[last]) * share


def _float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])
