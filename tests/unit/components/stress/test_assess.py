"""What is lost under stress, on a small model whose weights are known."""

import keras
import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from components.stress.assess import assess
from components.stress.config import StressJob
from contracts.names import serving_name
from models.export.loaded_model import load_model
from models.features.categorical import CategoricalSpec
from models.features.vocabulary import VocabularySpec
from tests import small_model

ROWS = 1500
STRESS = {
    "noise": {"kind": "noise", "columns": ["x"], "scale": 2.0, "max_drop": 0.01},
    "idle_noise": {"kind": "noise", "columns": ["hour"], "scale": 5.0, "severity": "warn"},
    "gone": {"kind": "missing", "columns": ["x"], "share": 1.0},
    "unseen": {"kind": "unseen", "share": 0.5},
    "units": {"kind": "units", "columns": ["the count"], "factor": -1, "share": 1.0},
    "push": {"kind": "adversarial", "epsilon": 0.5},
}


def _network(task):
    """Listens to `x` and whether it is missing, to `the count`, and to red in `color`."""
    net = small_model.network(task, units=(2,))
    weights = [weight * 0 for weight in net.get_weights()]
    table, hidden, bias, head, head_bias = weights
    hidden[0], hidden[1] = [1.0, -1.0], [0.4, -0.4]
    hidden[2], hidden[6] = [0.5, -0.5], [1.0, -1.0]
    head[:] = {
        "binary": [[1.0], [-1.0]],
        "regression": [[1.0], [-1.0]],
        "multiclass": [[-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]],
    }[task]
    net.set_weights([table, hidden, bias, head, head_bias])
    return net


def _table(task):
    generator = np.random.default_rng(4)
    x = generator.normal(size=ROWS).astype(np.float32)
    count = generator.integers(-20, 20, ROWS)
    color = generator.choice(["red", "green", "blue"], ROWS)
    signal = x + 0.05 * count + (color == "red") - 0.3
    noisy = signal + generator.normal(0, 0.5, ROWS)
    labels = {
        "binary": np.where(noisy > 0, "yes", "no"),
        "multiclass": np.array(["a", "b", "c"])[np.digitize(noisy, [-0.7, 0.7])],
        "regression": (5 + 2 * noisy).astype(np.float32),
    }
    return pa.table(
        {
            "x": pa.array(np.where(generator.random(ROWS) < 0.05, np.nan, x), from_pandas=True),
            "the count": count,
            "hour": generator.uniform(0, 24, ROWS).astype(np.float32),
            "flag": generator.integers(0, 2, ROWS),
            "color": color,
            "code": generator.integers(0, 5, ROWS),
            "y": labels[task],
        }
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return {
        task: (
            load_model(small_model.write(tmp_path_factory.mktemp(task), task, _network(task))),
            _table(task),
        )
        for task in small_model.LABELS
    }


def _job(task, **changes):
    content = {
        "problem": small_model.problem(task),
        "stress": STRESS,
        "importance": {"repeats": 8},
        "resamples": 300,
        "seed": 11,
    }
    return StressJob.model_validate(content | changes)


@pytest.mark.parametrize("task", small_model.LABELS)
def test_what_the_model_rests_on_is_lost_and_nothing_else(worlds, task):
    model, table = worlds[task]
    report = assess(model, table, _job(task)).to_json()
    assert report["rows"] == ROWS
    assert report["metric"] == {"binary": "roc_auc", "multiclass": "accuracy"}.get(task, "r2")
    drops = {entry["name"]: entry["drop"] for entry in report["robustness"]}
    assert list(drops) == list(STRESS)
    assert drops["idle_noise"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    for name in ("noise", "gone", "unseen", "units", "push"):
        assert 0 < drops[name]["low"] <= drops[name]["value"] <= drops[name]["high"], name
    importance = {entry["feature"]: entry["drop"] for entry in report["importance"]}
    assert set(importance) == set(small_model.FEATURES)
    assert next(iter(importance)) == "x"
    for name in ("x", "the count", "color"):
        assert importance[name]["low"] > 0, name
    for name in ("hour", "flag", "code"):
        assert importance[name]["low"] <= 0 <= importance[name]["high"], name


def test_entries_hold_what_the_gate_and_the_report_read(worlds):
    model, table = worlds["binary"]
    noise = assess(model, table, _job("binary")).to_json()["robustness"][0]
    assert {name: noise[name] for name in ("name", "kind", "columns", "bound", "severity")} == {
        "name": "noise",
        "kind": "noise",
        "columns": ["x"],
        "bound": 0.01,
        "severity": "block",
    }
    assert set(noise["metric"]) == set(noise["drop"]) == {"value", "low", "high"}


def test_the_figures_are_those_of_scikit_learn(worlds):
    model, table = worlds["regression"]
    report = assess(model, table, _job("regression")).to_json()
    truth = table["y"].to_numpy()
    plain = model.predict(model.columns(table))
    gone = table.set_column(0, "x", pa.nulls(ROWS, pa.float32()))
    worse = model.predict(model.columns(gone))
    entry = next(one for one in report["robustness"] if one["name"] == "gone")
    assert entry["metric"]["value"] == pytest.approx(metrics.r2_score(truth, worse), abs=1e-6)
    drop = metrics.r2_score(truth, plain) - metrics.r2_score(truth, worse)
    assert entry["drop"]["value"] == pytest.approx(drop, abs=1e-6)


def test_an_adversary_moves_numbers_alone_and_each_against_its_row(worlds):
    model, table = worlds["binary"]
    stress = {f"{size}": {"kind": "adversarial", "epsilon": size} for size in (0.1, 0.3, 1.0)}
    report = assess(model, table, _job("binary", stress=stress)).to_json()
    values = [entry["metric"]["value"] for entry in report["robustness"]]
    assert values == sorted(values, reverse=True)
    truth = table["y"].to_numpy() == "yes"
    # x weighs 1 in the score and the count 0.5: both move against the label, and x's
    # indicator, which weighs 0.4, stays.
    odds = model.score(model.encode(model.columns(table))) + np.where(truth, -1, 1) * 0.3 * 1.5
    # TFMA's area counts scores in 10,000 buckets.
    assert values[1] == pytest.approx(metrics.roc_auc_score(truth, odds), abs=2e-3)


def test_lower_is_better_where_it_is(worlds):
    model, table = worlds["binary"]
    stress = {"gone": STRESS["gone"]}
    report = assess(model, table, _job("binary", metric="log_loss", stress=stress)).to_json()
    entry = report["robustness"][0]
    assert report["metric"] == "log_loss"
    assert entry["drop"]["low"] > 0
    assert report["importance"][0]["drop"]["low"] > 0


def test_decisions_are_taken_at_the_operating_threshold(worlds):
    model, table = worlds["binary"]
    stress = {"idle": STRESS["idle_noise"]}
    report = assess(model, table, _job("binary", metric="f1", stress=stress)).to_json()
    called = model.answers(model.columns(table))["decisions"]
    wanted = metrics.f1_score(table["y"].to_numpy() == "yes", called)
    assert report["robustness"][0]["metric"]["value"] == pytest.approx(wanted, abs=1e-9)


def test_draws_depend_on_the_seed_and_on_a_stresss_name_not_its_place(worlds):
    model, table = worlds["binary"]
    off = {"importance": {"enabled": False}}
    both = {name: STRESS[name] for name in ("noise", "unseen")}
    alone = {"unseen": STRESS["unseen"]}
    first = assess(model, table, _job("binary", stress=both, **off)).to_json()
    again = assess(model, table, _job("binary", stress=alone, **off)).to_json()
    other = assess(model, table, _job("binary", stress=alone, seed=12, **off)).to_json()
    assert first["importance"] == []
    assert first["robustness"][1] == again["robustness"][0]
    assert again["robustness"][0]["drop"] != other["robustness"][0]["drop"]


def test_importance_takes_as_many_rows_as_it_may(worlds, monkeypatch):
    model, table = worlds["binary"]
    seen = []
    encode = type(model).encode
    monkeypatch.setattr(
        type(model), "encode", lambda one, columns: seen.append(columns) or encode(one, columns)
    )
    importance = {"repeats": 2, "rows": 100}
    assess(model, table, _job("binary", stress={}, importance=importance))
    assert [len(columns[serving_name("the count")]) for columns in seen] == [100]


def test_a_network_without_a_flat_join_is_stressed_but_for_what_needs_one(tmp_path):
    entries = {
        port.name: keras.Input(port.row_shape, dtype=port.encoding.dtype)
        for port in small_model.PORTS
    }
    scale = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")
    network = keras.Model(entries, scale(entries["x"]))
    model = load_model(small_model.write(tmp_path, net=network))
    result = assess(model, _table("binary"), _job("binary"))
    assert [entry.name for entry in result.robustness] == [n for n in STRESS if n != "push"]
    (missing,) = result.not_measured
    assert missing.what == "stress push"
    assert "does not join" in missing.reason
    importance = {entry.feature: entry.drop.value for entry in result.importance}
    assert set(importance) == set(small_model.FEATURES)
    assert importance["x"] > 0.1
    assert importance["hour"] == 0


def test_a_stress_on_kinds_that_offer_none_is_reported(worlds, monkeypatch):
    model, table = worlds["binary"]
    for kind in (CategoricalSpec, VocabularySpec):
        monkeypatch.setattr(kind, "stresses", {})
    result = assess(model, table, _job("binary", stress={"unseen": STRESS["unseen"]}))
    assert result.robustness == []
    assert [entry.reason for entry in result.not_measured] == [
        "no feature is of a kind that offers it"
    ]
