"""What the conformance cases are asked of: a model of numpy, one signature a matter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from serving.codec.signature import CLASSIFY, PREDICT, REGRESS, Port, Signature
from serving.errors import ServingError

Columns = Mapping[str, np.ndarray]
Run = Callable[[Columns], dict[str, np.ndarray]]

DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")


class ModelOfNumpy:
    """Signatures over plain functions."""

    metadata: Mapping[str, Any] = {"signature_def": {"signature_def": {}}}

    def __init__(self) -> None:
        self.signatures: dict[str, Signature] = {}
        self._runs: dict[str, Run] = {}
        self.batches: list[int] = []
        self.add("serving_default", {"x": "float32"}, {"y": "float32"}, _half_plus_three)
        for dtype in (*DTYPES, "bool", "string", "float16", "bfloat16", "uint16"):
            self.add(dtype, {"x": dtype}, {"y": dtype}, lambda x: {"y": x["x"]})
        self._add_shapes()
        self._add_outputs()
        self._add_examples()

    def add(
        self,
        name: str,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any],
        run: Run,
        method: str = PREDICT,
    ) -> None:
        """Adds a signature; a type may be given with a shape."""
        self.signatures[name] = Signature(name, _ports(inputs), _ports(outputs), method)
        self._runs[name] = run

    def run(self, signature: str, inputs: Columns) -> dict[str, np.ndarray]:
        first = next(iter(inputs.values()))
        self.batches.append(len(first) if first.ndim else 1)
        return self._runs[signature](inputs)

    @property
    def steady(self) -> Collection[str]:
        return self.signatures

    def warm_up(self) -> int:
        return 0

    def close(self) -> None: ...

    def _add_shapes(self) -> None:
        same: Run = lambda x: {"y": x["x"]}  # noqa: E731
        self.add("vector", {"x": ("float32", (None, 3))}, {"y": ("float32", (None, 3))}, same)
        self.add("ragged", {"x": ("int32", (None, None))}, {"y": ("int32", (None, None))}, same)
        self.add("texts", {"x": ("string", (None, 2))}, {"y": ("string", (None, 2))}, same)
        self.add("any", {"x": ("float32", None)}, {"y": ("float32", None)}, same)
        self.add("scalar", {"x": ("int32", ())}, {"y": ("int32", ())}, same)
        self.add("none", {}, {"y": "float32"}, same)
        self.add("two", {"a": "float32", "b": "int64"}, {"sum": "float32"}, _sum)
        self.add(
            "multi",
            {"tag": "string", "signal": ("float32", (None, 3)), "grid": ("int32", (None, 2, 2))},
            {"tag": "string", "total": "float32", "grid": ("int32", (None, 2, 2))},
            lambda x: {
                "tag": x["tag"],
                "total": x["signal"].sum(axis=1, dtype=np.float32),
                "grid": x["grid"],
            },
        )

    def _add_outputs(self) -> None:
        x = {"x": "float32"}
        self.add("bytes", {"x": "string"}, {"y_bytes": "string"}, lambda v: {"y_bytes": v["x"]})
        self.add(
            "both", {"x": "string"}, {"text": "string", "raw_bytes": "string"},
            lambda v: {"text": v["x"], "raw_bytes": v["x"]},
        )  # fmt: skip
        self.add("latin", x, {"y": "string"}, lambda v: {"y": _objects([b"\xff"] * len(v["x"]))})
        self.add(
            "half_out", x, {"y": "float16"}, lambda v: {"y": np.zeros(len(v["x"]), np.float16)}
        )
        self.add("flat_out", x, {"y": ("float32", ())}, lambda v: {"y": v["x"].sum()[...]})
        self.add(
            "uneven", x, {"a": "float32", "b": "float32"},
            lambda v: {"a": v["x"], "b": v["x"][:1]},
        )  # fmt: skip
        self.add("refuses", x, {"y": "float32"}, _refuse)
        self.add("fails", x, {"y": "float32"}, _fail)

    def _add_examples(self) -> None:
        text = {"inputs": "string"}
        both = {"classes": ("string", (None, 2)), "scores": ("float32", (None, 2))}
        self.add("classify", text, both, _classify, CLASSIFY)
        self.add("scores", text, both, lambda v: {"scores": _classify(v)["scores"]}, CLASSIFY)
        self.add("classes", text, both, lambda v: {"classes": _classify(v)["classes"]}, CLASSIFY)
        wrong: Any = {"classes": np.int64([[0, 1]]), "scores": np.int64([[0, 1]])}
        self.add("integer_scores", text, both, lambda v: {"scores": wrong["scores"]}, CLASSIFY)
        self.add(
            "double_scores", text, both,
            lambda v: {"scores": _classify(v)["scores"].astype(np.float64)}, CLASSIFY,
        )  # fmt: skip
        self.add("integer_classes", text, both, lambda v: {"classes": wrong["classes"]}, CLASSIFY)
        self.add("native", text, both, _classify)
        self.add("flat", text, both, lambda v: {"scores": _values(v)}, CLASSIFY)
        self.add("regress", text, {"outputs": "float32"}, _regress, REGRESS)
        self.add(
            "regress_2d", text, {"outputs": ("float32", (None, 1))},
            lambda v: {"outputs": _regress(v)["outputs"][:, None]}, REGRESS,
        )  # fmt: skip


def _ports(wanted: Mapping[str, Any]) -> dict[str, Port]:
    return {
        name: Port(name, *(what if isinstance(what, tuple) else (what, (None,))))
        for name, what in wanted.items()
    }


def _half_plus_three(x: Columns) -> dict[str, np.ndarray]:
    return {"y": x["x"] * np.float32(0.5) + np.float32(3)}


def _sum(x: Columns) -> dict[str, np.ndarray]:
    if x["a"].shape != x["b"].shape:
        raise ServingError(400, "Incompatible shapes")
    return {"sum": x["a"] + x["b"].astype(np.float32)}


def _refuse(x: Columns) -> dict[str, np.ndarray]:
    raise ServingError(412, "The tables are not there")


def _fail(x: Columns) -> dict[str, np.ndarray]:
    raise ZeroDivisionError("secret")


def _values(x: Columns) -> np.ndarray:
    """The feature x of each example: the last one, where the context has it too."""
    from tensorflow.core.example import example_pb2

    values = []
    for text in x["inputs"]:
        feature = example_pb2.Example.FromString(text).features.feature["x"]
        kind = feature.WhichOneof("kind")
        if kind is None:
            raise ServingError(400, "Feature: x (data type: float) is required")
        value = getattr(feature, kind).value[-1]
        values.append(len(value) if isinstance(value, bytes) else value)
    return np.array(values, np.float32)


def _classify(x: Columns) -> dict[str, np.ndarray]:
    values = _values(x)
    return {
        "classes": _objects([b"yes", b"no"] * len(values)).reshape(-1, 2),
        "scores": np.stack([values, 1 - values], axis=1),
    }


def _regress(x: Columns) -> dict[str, np.ndarray]:
    return {"outputs": _values(x) * np.float32(0.5) + np.float32(2)}


def _objects(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array
