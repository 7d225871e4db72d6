"""A realistic run to report on: everything that the pipeline would have written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from contracts.results.summary import Digests, Summary
from contracts.results.variant import PlacedVariant
from evidence.variant_choice import recommend
from tests.variant_verdicts import unmade, verdicts

CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS", "F9", "YV")
ORIGINS = ("EWR", "JFK", "LGA")
TEXT = {"carrier": CARRIERS, "origin": ORIGINS, "dest": ("ATL", "ORD", "LAX", "BOS", "MCO", "CLT")}
NUMBERS = {
    "dep_hour": (13.2, 4.7),
    "distance": (1040.0, 733.0),
    "temp": (56.8, 17.9),
    "humid": (62.5, 19.4),
    "wind_speed": (10.5, 5.6),
    "wind_gust": (25.5, 5.9),
    "pressure": (1017.9, 7.4),
    "visib": (9.26, 2.06),
    "origin_delay": (12.1, 17.3),
    "carrier_delay": (11.8, 19.0),
    "aircraft_delay": (10.9, 31.4),
    "delayed": (0.24, 0.43),
}
ROWS = {"train": 248_630, "val": 24_526, "test": 54_190}
COMPONENTS = {
    "ExampleGen": 3.97,
    "StatisticsGen": 11.2,
    "SchemaGen": 0.05,
    "ExampleValidator": 0.04,
    "DataGate": 14.81,
    "Transform": 16.71,
    "Trainer": 12.76,
    "BaselineModels": 21.4,
    "Baseline": 0.02,
    "Predictions": 6.3,
    "Stress": 18.77,
    "Evaluator": 15.28,
    "ModelGate": 9.12,
    "Pusher": 11.01,
    "Tracker": 3.62,
}
SUSPECTS = 50
CONFIG = {"name": "flights", "task": "binary", "seed": 2013, "training": {"epochs": 5}}
CARD = {
    "owner": "Operations research, delay desk",
    "intended_use": "Ranking tomorrow's departures for the staffing of the delay desk.",
    "out_of_scope": "Decisions about single passengers; airports other than New York's.",
    "limits": "Trained on the year 2013. Diversions and cancellations are not in it.",
    "ethics": "No personal data. The carrier is known, and slices are judged by carrier.",
    "contact": "delay-desk@example.org",
}


@dataclass
class Run:
    """A run folder, its summary, and the folders of its artifacts."""

    folder: Path
    summary: dict[str, Any]
    folders: dict[str, Path]

    def typed(self) -> Summary:
        """The summary as readers get it."""
        return Summary.model_validate(self.summary)

    def change(self, key: str, file: str, content: Any) -> None:
        """Writes another content into one of the artifacts."""
        path = self.folders[key] / file
        if isinstance(content, dict):
            content = {"version": 1, **content}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    def read(self, key: str, file: str) -> Any:
        """Reads one of the artifacts."""
        return json.loads((self.folders[key] / file).read_text(encoding="utf-8"))

    def write_summary(self) -> None:
        """Writes summary.json with what the summary now holds."""
        (self.folder / "summary.json").write_text(json.dumps(self.summary), encoding="utf-8")


def full_run(root: Path, run_id: str = "20261121-065411", seed: int = 7) -> Run:
    """Writes a run with every part, as it would be for a blessed candidate."""
    rng = np.random.default_rng(seed)
    folder = root / "flights" / run_id
    places = root / "artifacts" / run_id
    keys = ("evidence", "data_verdict", "model_run", "statistics")
    folders = {key: places / key for key in (*keys, "baselines", "stress", "folds", "pushed")}
    run = Run(folder, {}, folders)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("name: flights\ntask: binary\nseed: 2013\n")
    (folder / "config.json").write_text(json.dumps(CONFIG | {"card": CARD}))
    stress = stress_of(rng)
    run.change("stress", "stress.json", stress)
    run.change("evidence", "evidence.json", evidence_of(rng, stress))
    run.change("evidence", "gates.json", gates())
    run.change("data_verdict", "findings.json", findings())
    run.change("data_verdict", "audit.json", audit(rng))
    run.change("model_run", "training.json", training())
    run.change("baselines", "baselines.json", baselines())
    run.change("folds", "folds.json", folds())
    run.change("pushed", "parity.json", {"rows": 100, "max_difference": 8.9e-08, "differences": {}})
    write_statistics(folders["statistics"], rng)
    run.summary = summary(run_id, folders)
    run.write_summary()
    return run


def summary(run_id: str, folders: Mapping[str, Path]) -> dict[str, Any]:
    recommended = {
        place: choice and choice.model_dump() for place, choice in recommend(variants()).items()
    }
    return {
        "version": 1,
        "name": "flights",
        "run_id": run_id,
        "status": "succeeded",
        "error": None,
        "started": "2026-11-21T06:54:11.250590+00:00",
        "total_seconds": 148.0,
        "seconds": COMPONENTS,
        "cached": {name: name in ("ExampleGen", "StatisticsGen") for name in COMPONENTS},
        "peak_memory_mib": {name: 1050 + 27 * i for i, name in enumerate(COMPONENTS)},
        "rows": ROWS,
        "candidate": {"metrics": {"roc_auc": 0.7599, "rows": 54190.0}, "slices": []},
        "baseline": {"metrics": {"roc_auc": 0.7571}},
        "blessed": True,
        "reasons": [],
        "pushed_to": "serving_models/flights/4",
        "variants": [variant.to_json() for variant in variants()],
        "recommended": recommended,
        "training": {**training(), "folder": str(folders["model_run"])},
        "warnings": [],
        "mlflow": {"uri": "sqlite:///runs/mlflow.db", "run_id": "c3260fec", "warning": ""},
        "digests": {
            "config": "c74b0d0be6c6ecca23493a9fc5cec246697a2eb8d8faf6fb0d941394bbf02e63",
            "data": "1b8fe27be250b8868c46846771ec82be44566a26bcc7f9421800027a9606f3f4",
            "source": "b88f0a13e514daa69b4a367cbe640c65",
        },
        "seed": 2013,
        "config": "configs/flights.yaml",
        "overrides": ["training.epochs=5"],
        "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"},
        "folders": {key: str(path) for key, path in folders.items()},
    }


def summary_of(**fields: Any) -> Summary:
    """A summary with little in it."""
    return Summary(
        **{
            "name": "flights",
            "run_id": "20261121-065411",
            "status": "succeeded",
            "started": "2026-11-21T06:54:11+00:00",
            "total_seconds": 148.0,
            "digests": Digests(config="c", data="d", source="s"),
            "seed": 2013,
            "config": "configs/flights.yaml",
            **fields,
        }
    )


def variants() -> list[PlacedVariant]:
    """The twelve, and two of which nothing could be measured."""
    halved = {"weights": "pruned", "sparsity": 0.5, "pattern": "2:4"}
    wide = unmade("pruned80", "unsupported", "2:4 needs layers in blocks of 4, and one is 30 wide.")
    crashed = unmade("int8", "failed", "The process that trained qat was killed by signal 11.")
    wide = wide.model_copy(update={"name": "pruned24", "weights": halved})
    crashed = crashed.model_copy(update={"name": "qat", "weights": {"weights": "qat"}})
    return [*verdicts(), wide, crashed]


def interval(rng: np.random.Generator, value: float, width: float) -> dict[str, float]:
    low, high = rng.uniform(0.7, 1.3, 2) * width
    return {"value": value, "low": value - low, "high": value + high}


def evidence_of(rng: np.random.Generator, stress: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": "binary",
        "metric": "roc_auc",
        "higher_is_better": True,
        "rows": 54190,
        "resamples": 1000,
        "confidence": 0.95,
        "seed": 2013,
        "metrics": metrics(rng),
        "slices": slices(rng),
        "curves": curves(),
        "confusion": {"labels": ["0", "1"], "matrix": [[36353, 6090], [5557, 6190]]},
        "decisions": None,
        "calibration": calibration(rng),
        "baselines": [
            {
                "name": name,
                "metric": interval(rng, value, 0.004),
                "difference": {**interval(rng, 0.7599 - value, 0.003), "p": p},
            }
            for name, value, p in (
                ("majority", 0.5, 0.0005),
                ("linear", 0.7283, 0.0005),
                ("trees", 0.7668, 0.9995),
            )
        ],
        "fairness": [fairness(rng)],
        "robustness": stress["robustness"],
        "importance": stress["importance"],
        "cross_validation": folds(),
    }


def metrics(rng: np.random.Generator) -> dict[str, Any]:
    values = {
        "roc_auc": (0.7599, 0.0048, 0.0028),
        "pr_auc": (0.5503, 0.0089, 0.0061),
        "f1": (0.5153, 0.0074, 0.0012),
        "precision": (0.5041, 0.0088, -0.0021),
        "recall": (0.5269, 0.0091, 0.0049),
        "accuracy": (0.7851, 0.0035, 0.0007),
        "log_loss": (0.4318, 0.0052, -0.0016),
        "calibration": (1.0119, 0.0133, 0.0021),
    }
    return {
        name: {
            "candidate": interval(rng, value, width),
            "baseline": interval(rng, value - change, width),
            "difference": interval(rng, change, width / 3),
        }
        for name, (value, width, change) in values.items()
    }


def slices(rng: np.random.Generator) -> list[dict[str, Any]]:
    groups: list[tuple[dict[str, str], str]] = [({"carrier": one}, "config") for one in CARRIERS]
    groups += [({"origin": one}, "config") for one in ORIGINS]
    groups += [({"month": str(one)}, "config") for one in range(1, 13)]
    groups += [({"origin": o, "carrier": c}, "config") for o in ORIGINS for c in CARRIERS]
    groups += [({"aircraft_delay": "missing", "dep_hour": "5 to 9"}, "found")]
    groups += [({"visib": "0 to 4"}, "found"), ({"dest": "CLT", "month": "7"}, "found")]
    return [_slice(rng, group, source) for group, source in groups]


def _slice(rng: np.random.Generator, group: dict[str, str], source: str) -> dict[str, Any]:
    rows = int(rng.integers(40, 9000) // len(group))
    entry: dict[str, Any] = {
        "slice": group,
        "source": source,
        "rows": rows,
        "share": rows / 54190,
        "insufficient": None,
    }
    if rows < 100:
        thin = "fewer than 100 rows"
        return {**entry, "insufficient": thin, "metrics": {}, "gap": None, "change": None}
    gap = float(rng.normal(0.004, 0.022)) + (0.05 if source == "found" else 0)
    width = 0.9 / np.sqrt(rows)
    chance = float(np.clip(0.5 - gap / width / 2, 0.0005, 0.9995))
    change = float(rng.normal(-0.002, 0.004))
    return {
        **entry,
        "metrics": {"roc_auc": interval(rng, 0.7599 - gap, width)},
        "gap": {**interval(rng, gap, width), "p": chance, "q": min(1.0, 3 * chance)},
        "change": {**interval(rng, change, width / 2), "p": 0.6, "q": 0.9},
    }


def curves() -> dict[str, Any]:
    x = np.linspace(0, 1, 120)

    def points(y: np.ndarray) -> list[list[float]]:
        return [[float(a), float(b)] for a, b in zip(x, y, strict=True)]

    return {
        "roc": {"candidate": points(x**0.36), "baseline": points(x**0.38)},
        "pr": {
            "candidate": points(0.24 + 0.72 * (1 - x) ** 1.25),
            "baseline": points(0.24 + 0.7 * (1 - x) ** 1.3),
        },
    }


def calibration(rng: np.random.Generator) -> dict[str, Any]:
    edges = np.linspace(0, 1, 16)
    bins = []
    for low, high in pairwise(edges):
        middle = float(low + high) / 2
        rows = int(14000 * np.exp(-5 * middle)) + 3
        seen = float(np.clip(middle + rng.normal(0, 0.015), 0, 1))
        width = 1 / np.sqrt(rows)
        bins.append(
            {
                "low": float(low),
                "high": float(high),
                "rows": rows,
                "predicted": middle,
                "observed": seen,
                "observed_low": max(0.0, seen - width),
                "observed_high": min(1.0, seen + width),
            }
        )
    return {"bins": bins, "error": {"value": 0.0121, "low": 0.0094, "high": 0.0163}}


def fairness(rng: np.random.Generator) -> dict[str, Any]:
    rates = {"selection_rate": 0.227, "true_positive_rate": 0.527, "false_positive_rate": 0.143}
    groups: list[dict[str, Any]] = []
    for place, value in enumerate(ORIGINS):
        shift = (place - 1) * 0.035
        groups.append(
            {
                "value": value,
                "rows": 18_000 + 300 * place,
                "insufficient": None,
                **{name: interval(rng, rate + shift, 0.009) for name, rate in rates.items()},
            }
        )
    thin = {"value": "(missing)", "rows": 12, "insufficient": "fewer than 100 rows"}
    groups.append({**thin, **{name: {} for name in rates}})
    gaps = {
        name: {**interval(rng, 0.07, 0.013), "bound": bound, "between": ["EWR", "LGA"]}
        for name, bound in zip(rates, (0.1, None, 0.08), strict=True)
    }
    return {"column": "origin", "groups": groups, "gaps": gaps}


def stress_of(rng: np.random.Generator) -> dict[str, Any]:
    tests = (
        ("sensor noise", "noise", ["temp", "humid", "pressure"], 0.0031, 0.02, "block"),
        ("lost readings", "missing", ["wind_gust", "visib"], 0.0118, 0.01, "warn"),
        ("new destinations", "unseen", ["dest"], 0.0042, None, "block"),
        ("celsius for fahrenheit", "units", ["temp"], 0.0094, 0.02, "block"),
        ("fast gradient sign", "adversarial", [], 0.0713, None, "off"),
    )
    names = [*(set(NUMBERS) - {"delayed"}), *TEXT]
    return {
        "metric": "roc_auc",
        "rows": 20000,
        "robustness": [
            {
                "name": name,
                "kind": kind,
                "columns": columns,
                "metric": interval(rng, 0.7599 - drop, 0.005),
                "drop": interval(rng, drop, 0.002),
                "bound": bound,
                "severity": severity,
            }
            for name, kind, columns, drop, bound, severity in tests
        ],
        "importance": [
            {"feature": name, "drop": interval(rng, 0.06 * 0.68**place - 0.0004, 0.0016)}
            for place, name in enumerate(sorted(names, key=lambda name: (len(name), name)))
        ],
    }


def gates() -> dict[str, Any]:
    def gate(kind: str, outcome: str, reason: str, **more: object) -> dict[str, Any]:
        base = {"metric": "roc_auc", "slice": None, "value": 0.0028, "low": 0.0011, "high": 0.0045}
        return {"gate": kind, **base, "bound": -0.01, "outcome": outcome, "reason": reason, **more}

    return {
        "blessed": True,
        "gates": [
            gate("bound", "pass", "roc_auc is 0.7599, at least 0.7.", value=0.7599, bound=0.7),
            gate("change", "pass", "roc_auc is 0.0028 better than the baseline's."),
            *(
                gate("slice_change", "pass", f"{one} lost nothing.", slice={"carrier": one})
                for one in CARRIERS[:-2]
            ),
            *(
                gate(
                    "slice_change",
                    "insufficient",
                    f"Slice carrier={one} has fewer than 100 rows: it was not judged.",
                    slice={"carrier": one},
                    value=None,
                    low=None,
                    high=None,
                )
                for one in CARRIERS[-2:]
            ),
            gate(
                "baseline",
                "pass",
                "It beats the linear model.",
                value=0.0316,
                bound=0.0,
                subject="linear",
            ),
            gate(
                "baseline",
                "warn",
                "The candidate is worse than the trees by 0.0069. Prefer the trees.",
                value=-0.0069,
                low=-0.0094,
                high=-0.0042,
                bound=0.0,
                subject="trees",
            ),
            gate(
                "robustness",
                "warn",
                "Under 'lost readings' roc_auc drops by 0.0118, more than 0.01.",
                value=0.0118,
                low=0.0104,
                high=0.0142,
                bound=0.01,
                subject="lost readings",
            ),
        ],
    }


def findings() -> list[dict[str, Any]]:
    return [
        {
            "severity": "warn",
            "feature": "carrier",
            "split": "test",
            "what": "Unexpected string values ('carrier', split test).",
            "expected": "BYTES out of 15 known values: UA, B6, EV, DL, AA, MQ, US, 9E, ...",
            "received": "Examples contain values missing from the schema: OO (<1%).",
            "kind": "unknown",
            "example": "row 1,204 of split test: carrier=OO",
            "check": "schema",
            "figure": None,
            "bound": None,
        }
    ]


def audit(rng: np.random.Generator) -> dict[str, Any]:
    def check(name: str, outcome: str, figure: float, bound: float, what: str, **more: str) -> Any:
        base = {"check": name, "feature": "", "split": "all", "severity": "warn"}
        return {**base, "figure": figure, "bound": bound, "outcome": outcome, "what": what, **more}

    columns = sorted({*NUMBERS, *TEXT} - {"delayed"})
    return {
        "checks": [
            check("balance", "pass", 0.241, 0.05, "The minority class has 24.1 % of the rows."),
            check("duplicates", "pass", 0.0, 0.01, "No row comes twice."),
            check(
                "missing",
                "warn",
                0.761,
                0.5,
                "wind_gust has no value in 76.1 % of rows.",
                feature="wind_gust",
            ),
            check("leakage", "pass", 0.64, 0.98, "No feature decides the label.", severity="block"),
            check("label_errors", "warn", 0.062, 0.05, "6.2 % of the labels look wrong."),
            check("shift", "pass", 0.08, 0.25, "train and test are alike."),
        ],
        "details": {
            "balance": {"0": 0.759, "1": 0.241},
            "leakage": [
                {"feature": name, "power": float(power)}
                for name, power in zip(columns, rng.uniform(0.5, 0.66, len(columns)), strict=True)
            ],
            "label_errors": {
                "share": 0.062,
                "low": 0.055,
                "high": 0.069,
                "suspects": [_suspect(rng, place) for place in range(SUSPECTS)],
            },
            "shift": [
                {
                    "feature": name,
                    "from": "train",
                    "to": split,
                    "measure": "L-infinity" if name in TEXT else "Jensen-Shannon",
                    "kind": "splits",
                    "distance": float(rng.uniform(0, 0.12)),
                    "chance": 0.02,
                    "usual": None,
                    "bound": 0.25,
                    "shifted": False,
                }
                for name in columns
                for split in ("val", "test")
            ],
        },
    }


def _suspect(rng: np.random.Generator, place: int) -> dict[str, Any]:
    values: dict[str, Any] = {name: str(rng.choice(known)) for name, known in TEXT.items()}
    values |= {name: round(float(rng.normal(*spread)), 1) for name, spread in NUMBERS.items()}
    del values["delayed"]
    return {
        "row": int(rng.integers(0, 248_000)),
        "split": "train",
        "label": int(place % 2),
        "probability": 0.004 + 0.002 * place,
        "expected": int(1 - place % 2),
        "values": values,
    }


def training() -> dict[str, Any]:
    curve = ((0.5585, 0.447), (0.4682, 0.4271), (0.4549, 0.4283), (0.4462, 0.4288))
    history = [
        {
            "epoch": place + 1,
            "gradient_norm": 0.42 / (place + 1),
            "loss": loss,
            "pr_auc": 0.45 + 0.04 * place,
            "roc_auc": 0.69 + 0.03 * place,
            "val_loss": val,
            "val_pr_auc": 0.512 + 0.003 * place,
            "val_roc_auc": 0.7486 + 0.004 * place,
            "learning_rate": 0.002 * (1 - place / 5),
            "seconds": 1.2,
        }
        for place, (loss, val) in enumerate((*curve, (0.4402, 0.4317)))
    ]
    return {
        "version": 1,
        "device": "CPU",
        "strategy": "_DefaultDistributionStrategy",
        "precision": "float32",
        "rows": {"train": 248630, "val": 24526},
        "epochs": 5,
        "best_epoch": 2,
        "stopped_early": True,
        "seconds": 8.1,
        "history": history,
        "diagnosis": [
            {
                "name": "overfitting",
                "evidence": "val's loss rose from 0.4271 (epoch 2) to 0.4517",
                "remedy": "raise network.dropout or weight_decay",
            }
        ],
        "seed": 2013,
        "class_weights": None,
        "parameters": 39105,
        "operating_point": {
            "threshold": 0.2744,
            "cost": 0.4123,
            "true_positives": 2854,
            "false_positives": 3434,
            "true_negatives": 16012,
            "false_negatives": 2226,
        },
        "val_metrics": {"roc_auc": 0.7602, "log_loss": 0.4271},
    }


def baselines() -> dict[str, Any]:
    def model(value: float, seconds: float) -> dict[str, Any]:
        return {"val_metrics": {"roc_auc": value}, "seconds": seconds, "settings": {}}

    names = {"majority": model(0.5, 0.01), "linear": model(0.728, 4.2), "trees": model(0.767, 16.9)}
    return {"models": names, "rows": ROWS, "train_rows": ROWS["train"], "seed": 2013}


def folds() -> dict[str, Any]:
    values = (0.7571, 0.7633, 0.7508, 0.7602, 0.7590)
    return {
        "version": 1,
        "folds": [{"roc_auc": value, "log_loss": 1.19 - value} for value in values],
        "mean": {"roc_auc": 0.7581, "log_loss": 0.4319},
        "deviation": {"roc_auc": 0.0046, "log_loss": 0.0046},
        "rows": 273_156,
        "k": 5,
        "by": "row",
        "fits": [],
        "caveat": "",
        "seed": 2013,
    }


def write_statistics(
    folder: Path,
    rng: np.random.Generator,
    numbers: Mapping[str, tuple[float, float]] = NUMBERS,
) -> None:
    """Writes the statistics of each split as StatisticsGen does."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    for split, rows in ROWS.items():
        found = statistics_pb2.DatasetFeatureStatisticsList()
        dataset = found.datasets.add(num_examples=rows)
        for name, known in TEXT.items():
            _add_text(dataset, name, known, rows, rng)
        for name, spread in numbers.items():
            _add_number(dataset, name, spread, rows, rng)
        place = folder / f"Split-{split}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "FeatureStats.pb").write_bytes(found.SerializeToString(deterministic=True))


def _add_text(
    dataset: Any, name: str, known: tuple[str, ...], rows: int, rng: np.random.Generator
) -> None:
    feature = dataset.features.add(type="STRING")
    feature.path.step.append(name)
    stats = feature.string_stats
    stats.common_stats.num_non_missing = rows
    stats.unique = len(known)
    shares = -np.sort(-rng.dirichlet(np.ones(len(known))))
    for place, (value, share) in enumerate(zip(known, shares, strict=True)):
        count = float(round(rows * share))
        stats.top_values.add(value=value, frequency=count)
        stats.rank_histogram.buckets.add(
            label=value, low_rank=place, high_rank=place, sample_count=count
        )


def _add_number(
    dataset: Any, name: str, spread: tuple[float, float], rows: int, rng: np.random.Generator
) -> None:
    feature = dataset.features.add(type="FLOAT")
    feature.path.step.append(name)
    stats = feature.num_stats
    missing = round(rows * 0.76) if name == "wind_gust" else 0
    stats.common_stats.num_non_missing = rows - missing
    stats.common_stats.num_missing = missing
    values = rng.normal(*spread, 4000)
    if name == "delayed":
        values = (values > 0.5).astype(float)
    stats.mean, stats.std_dev = float(values.mean()), float(values.std())
    stats.min, stats.median, stats.max = (float(x) for x in np.quantile(values, (0, 0.5, 1)))
    counts, edges = np.histogram(values, 10)
    histogram = stats.histograms.add(type="STANDARD")
    scale = (rows - missing) / len(values)
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        histogram.buckets.add(
            low_value=float(low), high_value=float(high), sample_count=float(count * scale)
        )
