"""`kelp diff` and `kelp report`."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.results.evidence import Evidence, Interval, SliceEvidence
from contracts.results.gates import Gate
from pipelines import cli
from pipelines.commands import report
from pipelines.commands.diff import compare
from pipelines.runs.differences import (
    changed,
    flat,
    gate_changes,
    metric_changes,
    second_changes,
    slice_changes,
    statistics_changes,
)
from tests.fixtures.report_run import CARD, CONFIG, Run, full_run

FIRST, SECOND = "20261121-065411", "20261121-075411"
SCHEMA = """
string_domain { name: "carrier" value: "UA" value: "DL" }
feature { name: "carrier" type: BYTES domain: "carrier" presence { min_fraction: 1.0 } }
feature { name: "temp" type: FLOAT }
"""
values = st.dictionaries(
    st.text("abc", min_size=1), st.integers(0, 3) | st.text("xy", max_size=2), max_size=4
)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """Two runs that are the same but for their ids."""
    monkeypatch.chdir(tmp_path)
    first, second = (full_run(tmp_path / "runs", name) for name in (FIRST, SECOND))
    for run in (first, second):
        schema = run.folders["evidence"].parent / "schema"
        schema.mkdir()
        (schema / "schema.pbtxt").write_text(SCHEMA)
        run.summary["folders"]["schema"] = str(schema)
        run.write_summary()
    (first.folder.parent / "latest").symlink_to(SECOND)
    return first, second


def test_the_same_runs_have_no_difference(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    found = compare(runs[0].folder, runs[1].folder)
    assert found["equal"]
    assert found["not_recorded"] == {}
    assert cli.main(["diff", FIRST, "flights"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no difference"


def test_every_kind_of_difference(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    change_all(runs[1])
    assert cli.main(["diff", "--json", FIRST, SECOND]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["equal"]
    assert found["runs"]["after"]["blessed"] is False
    assert found["config"] == [
        {"key": "seed", "before": 2013, "after": 2014},
        {"key": "training.epochs", "before": 5, "after": 9},
    ]
    assert {one["key"] for one in found["data"]} == {"digest", "rows.train"}
    assert [one["figure"] for one in found["statistics"]] == ["distinct", "commonest"][::-1]
    assert found["schema"] == [
        {"key": "carrier.values", "before": ["DL", "UA"], "after": ["AA", "DL"]},
        {"key": "temp.type", "before": "float", "after": "integer"},
    ]
    assert found["source"][0]["after"] == "other"
    assert found["versions"] == [{"key": "keras", "before": "3.15.1", "after": "3.16.0"}]
    (metric,) = found["metrics"]
    assert metric["metric"] == "roc_auc"
    assert metric["difference"] == pytest.approx(0.05)
    assert metric["low"] < 0.05 < metric["high"]
    assert found["slices"][0]["slice"] == "carrier = UA"
    assert found["slices"][0]["difference"] == pytest.approx(-0.2)
    assert found["gates"][0] | {"reason": ""} == {
        "gate": "bound roc_auc",
        "before": "pass",
        "after": "block",
        "reason": "",
    }
    assert found["variants"] == [
        {"key": "int8.status", "before": "blessed", "after": "refused"},
        {"key": "int8.reasons", "before": [], "after": ["int8 is too slow."]},
    ]
    assert found["seconds"] == [{"component": "Trainer", "before": 12.76, "after": 40.0}]


def test_differences_as_tables(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    change_all(runs[1])
    assert cli.main(["diff", FIRST, SECOND]) == 0
    printed = capsys.readouterr().out
    for part in ("training.epochs", "ROC AUC", "+0.0500", "carrier = UA", "gone: UA", "new: AA"):
        assert part in printed, part
    assert "no difference" not in printed


def change_all(run: Run) -> None:
    """Changes one thing of every kind."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    config = CONFIG | {"seed": 2014, "training": {"epochs": 9}}
    (run.folder / "config.json").write_text(json.dumps(config | {"card": CARD}))
    summary = run.summary
    summary |= {"blessed": False, "pushed_to": None, "overrides": ["training.epochs=9"]}
    summary["rows"] = {**summary["rows"], "train": 1}
    summary["digests"] |= {"data": "other", "source": "other"}
    summary["versions"] = {**summary["versions"], "keras": "3.16.0"}
    summary["seconds"] = {**summary["seconds"], "Trainer": 40.0, "Pusher": 11.4}
    (int8,) = [one for one in summary["variants"] if one["name"] == "int8"]
    int8 |= {"status": "refused", "reasons": ["int8 is too slow."]}
    evidence = run.read("evidence", "evidence.json")
    auc = evidence["metrics"]["roc_auc"]["candidate"]
    auc |= {end: auc[end] + 0.05 for end in ("value", "low", "high")}
    slice_ = next(one for one in evidence["slices"] if one["slice"] == {"carrier": "UA"})
    slice_["metrics"]["roc_auc"]["value"] -= 0.2
    run.change("evidence", "evidence.json", evidence)
    gates = run.read("evidence", "gates.json")
    gates["gates"][0]["outcome"] = "block"
    run.change("evidence", "gates.json", gates)
    path = run.folders["statistics"] / "Split-val" / "FeatureStats.pb"
    content = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    carrier = content.datasets[0].features[0].string_stats
    carrier.unique = 15
    carrier.top_values[0].value = "AA"
    path.write_bytes(content.SerializeToString())
    schema = SCHEMA.replace('"UA"', '"AA"').replace("FLOAT", "INT")
    Path(summary["folders"]["schema"], "schema.pbtxt").write_text(schema)
    run.write_summary()


def test_a_run_without_artifacts_is_compared_as_far_as_it_goes(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = runs
    del first.summary["folders"]
    first.write_summary()
    found = compare(first.folder, second.folder)
    assert set(found["not_recorded"]) == {"statistics", "schema", "slices", "gates"}
    assert cli.main(["diff", FIRST, SECOND]) == 0
    assert f"schema: run {FIRST} has no record of its schema" in capsys.readouterr().out


def test_a_run_of_another_version_is_an_error(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    del runs[0].summary["version"]
    runs[0].write_summary()
    assert cli.main(["diff", FIRST, SECOND]) == cli.OTHER_ERROR
    error = capsys.readouterr().err
    assert "summary.json has another version than this Kelp reads" in error
    assert "expected: version 1" in error
    assert "received: no version" in error
    assert "run the pipeline again" in error


def test_resolved_configs_are_compared(runs: tuple[Run, Run]) -> None:
    for run, epochs in zip(runs, (3, 4), strict=True):
        content = {"training": {"epochs": epochs}, "network": {"units": [8]}}
        (run.folder / "config.json").write_text(json.dumps(content))
    found = compare(runs[0].folder, runs[1].folder)
    assert found["config"] == [{"key": "training.epochs", "before": 3, "after": 4}]


def test_unknown_runs_are_an_argument_error(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diff", FIRST, "nope"]) == cli.ARGUMENT_ERROR
    assert cli.main(["report", "nope"]) == cli.ARGUMENT_ERROR
    assert "there is no run 'nope'" in capsys.readouterr().err


@pytest.mark.parametrize("display", [True, False])
def test_report_is_written_and_opened(
    runs: tuple[Run, Run],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    display: bool,
) -> None:
    opened: list[str] = []

    def open_page(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    monkeypatch.setattr(report, "has_display", lambda _: display)
    page = runs[1].folder / "report.html"
    assert cli.main(["report"]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(page)
    assert "Blessed, with warnings" in page.read_text()
    assert opened == ([page.as_uri()] if display else [])
    assert ("no browser" in printed.err) == (not display)


def test_report_path_only_prints(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = runs[0].folder / "report.html"
    page.write_text("as it was written")
    monkeypatch.setattr(webbrowser, "open", lambda _: pytest.fail("it was opened"))
    monkeypatch.setenv("DISPLAY", ":0")
    assert cli.main(["report", "--path", FIRST]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert page.read_text() == "as it was written"


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"BROWSER": "firefox"}, "linux", True),
        ({}, "darwin", True),
    ],
)
def test_display(environment: dict[str, str], platform: str, expected: bool) -> None:
    assert report.has_display(environment, platform) is expected


@given(values, values)
def test_changed_lists_what_differs_and_nothing_else(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    printed = {one["key"]: (one["before"], one["after"]) for one in changed(before, after)}
    for key in {*before, *after}:
        same = key in before and key in after and before[key] == after[key]
        assert (key not in printed) == same
    assert changed(before, before) == []


def test_flat() -> None:
    assert flat({"a": {"b": 1, "c": [1]}, "d": {}}) == {"a.b": 1, "a.c": [1], "d": {}}


def test_metrics_without_intervals_have_a_difference_only() -> None:
    one = {"auc": Interval(value=0.7), "gone": Interval(value=1.0)}
    other = {"auc": Interval(value=0.8)}
    auc, gone = metric_changes(one, other)
    assert auc["difference"] == pytest.approx(0.1)
    assert (auc["low"], auc["high"]) == (None, None)
    assert (gone["after"], gone["difference"]) == (None, None)
    assert metric_changes(one, one) == []


def test_independent_intervals_add_up_as_squares() -> None:
    one = {"m": Interval(value=0.5, low=0.47, high=0.53)}
    other = {"m": Interval(value=0.6, low=0.56, high=0.64)}
    (change,) = metric_changes(one, other)
    assert change["low"] == pytest.approx(0.05)
    assert change["high"] == pytest.approx(0.15)


def test_slices_that_moved_most_come_first() -> None:
    def evidence(**values: float) -> Evidence:
        slices = [
            SliceEvidence(
                slice={"x": name}, source="config", rows=9, metrics={"auc": Interval(value=value)}
            )
            for name, value in values.items()
        ]
        return Evidence.model_construct(metric="auc", slices=slices)

    found = slice_changes(evidence(a=0.5, b=0.5, c=0.5), evidence(a=0.51, b=0.4, d=0.5), 3)
    assert [one["slice"] for one in found] == ["x = b", "x = a", "x = c"]
    assert [one["difference"] for one in found] == [pytest.approx(-0.1), pytest.approx(0.01), None]


def test_gates_are_known_by_what_they_ask() -> None:
    def gate(outcome: Any, place: str, reason: str = "") -> Gate:
        return Gate(gate="slice_change", outcome=outcome, slice={"x": place}, reason=reason)

    # The worst slice of those that passed is another one: no gate changed.
    assert gate_changes([gate("pass", "a")], [gate("pass", "b")]) == []
    found = gate_changes([gate("pass", "a")], [gate("block", "b", reason="Worse.")])
    assert [(one["gate"], one["before"], one["after"]) for one in found] == [
        ("slice_change", "pass", None),
        ("slice_change (x = b)", None, "block"),
    ]
    two = [Gate(gate="bound", metric="auc", outcome="pass", reason="")] * 2
    assert gate_changes(two, two) == []
    assert len(gate_changes(two, two[:1])) == 1


def test_statistics_that_moved_most_of_their_size_come_first() -> None:
    def column(name: str, **figures: object) -> dict[str, Any]:
        return {"feature": name, "split": "train", **figures}

    before = [column("a", mean=100.0, least=0), column("b", mean=1.0, least=0)]
    after = [column("a", mean=101.0, least=0), column("b", mean=2.0, least=0)]
    found = statistics_changes(before, after, ("mean", "least"), 5)
    assert [(one["feature"], one["figure"]) for one in found] == [("b", "mean"), ("a", "mean")]
    assert len(statistics_changes(before, after, ("mean",), 1)) == 1
    assert statistics_changes(before, [], ("mean",), 5)[0]["after"] is None


def test_seconds_of_components_of_one_run_only_are_listed() -> None:
    found = second_changes({"A": 1.0, "B": 2.0}, {"A": 1.2, "C": 3.0})
    assert [one["component"] for one in found] == ["B", "C"]
