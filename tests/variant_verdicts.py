"""Verdicts on twelve variants, as VariantEvaluator writes them."""

from __future__ import annotations

from typing import Any

from contracts.results.variant import PlacedVariant

AUC = 0.7599
REFERENCE = {
    "bytes": 460_800,
    "gzip_bytes": 301_200,
    "parameters": 62_145,
    "timing": {
        "p50_ms": 0.71,
        "p95_ms": 0.98,
        "rows_per_s": 61_000.0,
        "prepare_ms": 0.0,
        "load_s": 0.62,
        "peak_memory_mib": 612.0,
    },
    "lean": {"bytes": 256_000, "gzip_bytes": 232_000},
}
NONE = {"weights": "none"}
PRUNED = {
    "weights": "pruned",
    "sparsity": 0.8,
    "pattern": "unstructured",
    "ramp": 0.5,
    "epochs": 4,
    "learning_rate": 0.0005,
}
DISTILLED = {
    "weights": "distilled",
    "scale": 0.5,
    "temperature": 2.0,
    "alpha": 0.3,
    "epochs": 6,
    "learning_rate": 0.002,
}
# name: weights, format, bytes, gzipped, p50, prepared in, rows/s, MiB, change of the metric
_MADE: dict[str, tuple[Any, ...]] = {
    "float32": (NONE, "savedmodel_float32", 460_800, 301_200, 0.71, 0, 61_000, 612, 0.0),
    "float16": (NONE, "savedmodel_float16", 259_400, 171_900, 0.74, 0, 59_800, 613, -0.00002),
    "int8": (NONE, "savedmodel_int8", 184_300, 112_700, 0.69, 0, 71_500, 611, -0.0004),
    "pruned80": (PRUNED, "savedmodel_float32", 460_800, 119_400, 0.72, 0, 60_500, 612, -0.0011),
    "pruned80_int8": (PRUNED, "savedmodel_int8", 184_300, 71_200, 0.7, 0, 70_900, 611, -0.0013),
    "distilled": (DISTILLED, "savedmodel_float32", 301_400, 171_800, 0.7, 0, 78_200, 603, -0.0022),
    "distilled_int8": (DISTILLED, "savedmodel_int8", 161_900, 96_500, 0.7, 0, 77_400, 602, -0.0024),
    "tflite_float16": (NONE, "tflite_float16", 131_900, 113_600, 0.02, 0.19, 98_000, 71, 0.00001),
    "tflite_int8": (NONE, "tflite_int8_dynamic", 77_800, 59_800, 0.02, 0.19, 122_000, 70, -0.0005),
    "tflite_pruned80_int8": (
        *(PRUNED, "tflite_int8_dynamic", 77_800, 24_300, 0.02, 0.19),
        *(121_000, 70, -0.0014),
    ),
    "tflite_full_int8": (NONE, "tflite_int8_full", 74_100, 57_300, 0.02, 0.2, 140_000, 70, -0.0713),
    "onnx": (NONE, "onnx_float32", 252_700, 229_800, 0.03, 0.19, 110_000, 96, 0.0),
}
KINDS = ("savedmodel", "tflite", "onnx")
UNMADE = (
    *("bytes", "gzip_bytes", "parameters", "sparsity", "distinct"),
    *("parity", "timing", "reference"),
)


def verdicts(pushed: bool = True) -> list[PlacedVariant]:
    """Eleven blessed variants and one that lost too much, in the config's order."""
    return [verdict(name, pushed=pushed) for name in _MADE]


def verdict(name: str, /, pushed: bool = True, **fields: Any) -> PlacedVariant:
    """The verdict on one of the twelve, with other fields if so wished."""
    weights, form, size, zipped, p50, prepare, rows, memory, change = _MADE[name]
    small = weights["weights"] == "distilled"
    timing = {
        "p50_ms": p50,
        "p95_ms": 1.4 * p50,
        "rows_per_s": float(rows),
        "prepare_ms": prepare,
        "load_s": 0.3,
        "peak_memory_mib": float(memory),
    }
    sizes = {"bytes": size, "gzip_bytes": zipped, "parameters": 23_300 if small else 62_145}
    kind = form.split("_")[0]
    content = {
        "name": name,
        "weights": weights,
        "format": form,
        "kind": kind,
        **sizes,
        "sparsity": 0.8003 if weights["weights"] == "pruned" else 0.0002,
        "distinct": None,
        "timing": timing,
        "reference": REFERENCE,
        "ratios": _ratios(sizes, timing),
        "parity": {
            "rows": 100,
            "max_difference": 0.0213 if "int8" in form else 8.9e-08,
            "differences": {kind: 8.9e-08},
            "tolerance": 0.1 if "int8" in form else 1e-5,
        },
        "metric": "roc_auc",
        "higher_is_better": True,
        "metrics": {
            "roc_auc": _interval(AUC + change, 0.0047),
            "log_loss": _interval(0.4318 - change, 0.0052),
        },
        "difference": {
            "roc_auc": _interval(change, 0.0003 if change else 0.0),
            "log_loss": _interval(-change, 0.0004 if change else 0.0),
        },
        "slices": [_slice("YV", change, "fewer than 100 rows"), _slice("F9", 3 * change, None)],
        **_judged(name, change),
    }
    # float32 is the candidate, which the Pusher has pushed already.
    goes_out = pushed and content["status"] == "blessed" and name != "float32"
    content["pushed_to"] = _folder(name, kind) if goes_out else None
    return PlacedVariant.model_validate(content | {"version": 1} | fields)


def unmade(name: str, status: str, reason: str) -> PlacedVariant:
    """The verdict on a variant that could not be made: nothing of it was measured."""
    empty: dict[str, Any] = {"ratios": {}, "metrics": {}, "difference": {}}
    return verdict(
        name,
        status=status,
        reasons=[reason],
        gates=[],
        slices=[],
        pushed_to=None,
        **dict.fromkeys(UNMADE),
        **empty,
    )


def _judged(name: str, change: float) -> dict[str, Any]:
    lost = -change
    blessed = lost + 0.0003 <= 0.005
    reason = f"{name} loses {lost:.4f} of roc_auc, more than 0.005 allows."
    gate = {
        "gate": "variant_drop",
        "metric": "roc_auc",
        "slice": None,
        "value": lost,
        "low": lost - 0.0003,
        "high": lost + 0.0003,
        "bound": 0.005,
        "outcome": "pass" if blessed else "block",
        "reason": f"{name} keeps its roc_auc." if blessed else reason,
        "subject": name,
    }
    return {
        "status": "blessed" if blessed else "refused",
        "reasons": [] if blessed else [reason],
        "gates": [gate],
    }


def _ratios(sizes: dict[str, int], timing: dict[str, float]) -> dict[str, float]:
    names = ("p50_ms", "p95_ms", "rows_per_s", "peak_memory_mib")
    of_sizes = {name: value / REFERENCE[name] for name, value in sizes.items()}
    of_sizes |= {f"lean_{name}": sizes[name] / size for name, size in REFERENCE["lean"].items()}
    of_times = {name: timing[name] / REFERENCE["timing"][name] for name in names}
    whole = (timing["p50_ms"] + timing["prepare_ms"]) / REFERENCE["timing"]["p50_ms"]
    return of_sizes | of_times | {"p50_ms": whole}


def _interval(value: float, width: float) -> dict[str, float]:
    return {"value": value, "low": value - width, "high": value + width}


def _slice(carrier: str, change: float, insufficient: str | None) -> dict[str, Any]:
    return {
        "slice": {"carrier": carrier},
        "source": "config",
        "rows": 54 if insufficient else 688,
        "insufficient": insufficient,
        "metrics": {} if insufficient else {"roc_auc": _interval(0.71 + change, 0.03)},
        "change": None if insufficient else _interval(-change, 0.004),
    }


def _folder(name: str, kind: str) -> str:
    if kind != "savedmodel":
        return f"artifacts/flights/4/{name}"
    return f"serving_models/flights-{name}/4"
