"""The report's page: whole, partial, hostile, small, and the same each time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from report.render import REPORT_FILE, write_report
from tests.fixtures.report_run import Run, full_run, summary_of, write_statistics

HOSTILE = "\"'><script>alert(1)</script></style><img src=x onerror=alert(1)>$x^2$\x07{{ 7*7 }}"
SECTIONS = (
    "verdict",
    "advice",
    "gates",
    "data",
    "training",
    "metrics",
    "curves",
    "slices",
    "leaderboard",
    "variants",
    "fairness",
    "robustness",
    "importance",
    "folds",
    "timing",
    "lineage",
    "card",
)
VOID = {"meta", "br", "wbr", "img", "hr", "input", "link"}


class Page(HTMLParser):
    """What a page is made of, and whether its tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return full_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def written(run: Run) -> str:
    return write_report(run.folder, run.typed(), run.folders).read_text(encoding="utf-8")


def check_sound(text: str) -> Page:
    page = Page(text)
    assert page.open == []
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    assert set(SECTIONS) <= set(page.ids)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    for name, value in page.attributes:
        if name in ("href", "src", "xlink:href", "action"):
            assert value.startswith("#"), (name, value)
            assert value[1:] in page.ids
        if name in ("style", "clip-path"):
            assert set(re.findall(r"url\(([^)]*)\)", value)) <= {f"#{one}" for one in page.ids}
    return page


def test_everything_is_reported(run: Run, written: str) -> None:
    page = check_sound(written)
    assert "Not measured" not in page.text
    assert "Not recorded" not in page.text
    for text in (
        "Blessed, with warnings",
        "serving_models/flights/4",
        "Prefer the trees",
        "0.7599",
        "6.2 %",
        "Operations research, delay desk",
        "c74b0d0be6c6ecca23493a9fc5cec246697a2eb8d8faf6fb0d941394bbf02e63",
        "training.epochs=5",
        "wind_gust",
        "lost readings",
        "273,156 rows",
        "For a phone tflite_int8 : 0.17x the bytes and 0.30x the time of a row",
        "tflite_full_int8 loses 0.0713 of roc_auc, more than 0.005 allows.",
        "2:4 needs layers in blocks of 4, and one is 30 wide.",
        "serving_models/flights-int8/4",
        "sparsity 0.5, pattern 2:4",
        "All 12 gates of the variants",
    ):
        assert text in page.text, text
    assert page.tags.count("figure") >= 20


def test_verdict_comes_first(written: str) -> None:
    places = [written.index(f'id="{section}"') for section in SECTIONS]
    assert places == sorted(places)


def test_loads_nothing(written: str) -> None:
    assert "default-src 'none'" in written
    assert not re.findall(r"https?://", written)
    assert "@import" not in written
    assert "@font-face" not in written


def test_is_small_and_the_same_each_time(run: Run, written: str) -> None:
    page = write_report(run.folder, run.typed(), run.folders)
    assert page.read_text(encoding="utf-8") == written
    assert page.stat().st_size < 1_000_000
    assert page.name == REPORT_FILE
    left = {path.name for path in run.folder.iterdir()}
    assert left == {"config.yaml", "config.json", "summary.json", REPORT_FILE}


def test_colours_come_from_the_page(written: str) -> None:
    assert not re.findall(r"#0[abc]010\d", written)
    used = set(re.findall(r"var\((--[a-z-]+)\)", written))
    light = set(re.findall(r"(--[a-z-]+):", written.split("@media", maxsplit=1)[0]))
    assert used - light == {"--share", "--weight"}


def test_nothing_is_known(tmp_path: Path) -> None:
    page = check_sound(write_report(tmp_path, summary_of(), {}).read_text(encoding="utf-8"))
    assert "Not blessed" in page.text
    assert "Not recorded: this run has no evidence.json of ModelGate." in page.text
    assert "not given" in page.text


def test_failed_run_says_where_it_stopped(run: Run, tmp_path: Path) -> None:
    summary = summary_of(
        status="failed",
        stopped_at="DataGate",
        error=[
            "error: Feature 'arr_delay' alone decides the label.",
            "  where:    DataGate, feature arr_delay, split train",
            "  fix:      take arr_delay out of features",
        ],
        seconds={"ExampleGen": 4.0, "StatisticsGen": 11.0},
    )
    folders = {"statistics": run.folders["statistics"]}
    page = check_sound(write_report(tmp_path, summary, folders).read_text(encoding="utf-8"))
    assert "The run failed at DataGate; no model was judged." in page.text
    assert "Fix the cause: take arr_delay out of features." in page.text
    assert "Not measured: the run stopped at DataGate, before ModelGate was done." in page.text
    assert "Not measured: the run stopped at DataGate." in page.text
    assert "wind_gust" in page.text


def test_hostile_strings_stay_text(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    evidence = run.read("evidence", "evidence.json")
    evidence["slices"][0]["slice"] = {HOSTILE: HOSTILE}
    evidence["importance"][0]["feature"] = HOSTILE
    evidence["fairness"][0]["column"] = HOSTILE
    evidence["confusion"]["labels"] = [HOSTILE, "1"]
    evidence["curves"]["roc"] = {HOSTILE: [[0, 0], [1, 1]]}
    evidence["robustness"][0]["name"] = HOSTILE
    run.change("evidence", "evidence.json", evidence)
    gates = run.read("evidence", "gates.json")
    gates["gates"][0] |= {"outcome": "block", "reason": HOSTILE, "slice": {"x": HOSTILE}}
    run.change("evidence", "gates.json", gates)
    audit = run.read("data_verdict", "audit.json")
    audit["checks"][0] |= {"feature": HOSTILE, "what": HOSTILE}
    audit["details"]["leakage"][0]["feature"] = HOSTILE
    audit["details"]["label_errors"]["suspects"][0]["values"] = {HOSTILE: HOSTILE}
    run.change("data_verdict", "audit.json", audit)
    training = run.read("model_run", "training.json")
    training["history"] = [{"epoch": 1, "loss": 0.5, "val_loss": 0.6, HOSTILE: 0.1}]
    run.change("model_run", "training.json", training)
    (run.folder / "config.yaml").write_text(HOSTILE)
    run.summary["variants"][0]["name"] = HOSTILE
    run.summary["variants"][10]["reasons"] = [HOSTILE]
    run.summary["recommended"]["phone"] = {"name": HOSTILE, "reason": HOSTILE}
    run.summary |= {"name": HOSTILE, "pushed_to": HOSTILE}
    (run.folder / "config.json").write_text(json.dumps({"card": {"owner": HOSTILE}}))
    page = check_sound(
        write_report(run.folder, run.typed(), run.folders).read_text(encoding="utf-8")
    )
    assert page.text.count("alert(1)") >= 15
    assert "{{ 7*7 }}" in page.text


def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    (run.folders["evidence"] / "evidence.json").write_text('{"task": "bin')
    gates = run.read("evidence", "gates.json")
    run.change("evidence", "gates.json", gates | {"version": 2})
    (run.folders["statistics"] / "Split-val" / "FeatureStats.pb").write_bytes(b"\xff\xff\xff")
    text = write_report(run.folder, run.typed(), run.folders).read_text(encoding="utf-8")
    page = check_sound(text)
    assert "Not readable: evidence.json of ModelGate" in page.text
    assert "another version than this Kelp reads (expected version 1, got version 2)" in page.text
    assert "wind_gust" in page.text


def test_first_model_has_no_baseline(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    evidence = run.read("evidence", "evidence.json")
    for metric in evidence["metrics"].values():
        metric |= {"baseline": None, "difference": None}
    for one in evidence["slices"]:
        one["change"] = None
    run.change("evidence", "evidence.json", evidence)
    text = write_report(run.folder, run.typed(), run.folders).read_text(encoding="utf-8")
    assert "no model was blessed before" in check_sound(text).text


def test_regression_has_other_parts(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    evidence = run.read("evidence", "evidence.json")
    evidence |= {
        "task": "regression",
        "metric": "rmse",
        "higher_is_better": False,
        "curves": {},
        "confusion": None,
        "calibration": None,
        "fairness": [],
        "cross_validation": None,
        "metrics": {"rmse": {"candidate": {"value": 1234.5, "low": None, "high": None}}},
    }
    run.change("evidence", "evidence.json", evidence)
    (run.folders["folds"] / "folds.json").unlink()
    text = write_report(run.folder, run.typed(), run.folders).read_text(encoding="utf-8")
    page = check_sound(text)
    assert "only classes have curves" in page.text
    assert "only classes have a confusion matrix" in page.text
    assert "cross-validation is off" in page.text
    assert "marks no sensitive column" in page.text
    assert "lower is better" in page.text


def test_forecasts_are_drawn_and_listed_by_step(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    levels = [[1.0, 2.0], [2.0, 3.0], [4.0, 5.0]]
    example = {"row": 7, "mae": 0.25, "keys": {"hour": 13}, "actual": [2.5, 3.5], "levels": levels}
    steps = [
        {"step": 1, "mae": 0.125, "low": 0.1, "high": 0.2, "coverage": 0.82},
        {"step": 2, "mae": 0.375, "coverage": None},
    ]
    forecast = {
        "quantiles": [0.1, 0.5, 0.9],
        "steps": steps,
        "baselines": {"last_value": [0.4, 0.625]},
        "examples": [example | {"rank": rank} for rank in (0.1, 0.5, 0.9, 1.0)],
    }
    evidence = run.read("evidence", "evidence.json")
    without = write_report(run.folder, run.typed(), run.folders).read_text(encoding="utf-8")
    assert 'id="forecasts"' not in without
    run.change("evidence", "evidence.json", evidence | {"forecast": forecast})
    text = write_report(run.folder, run.typed(), run.folders).read_text(encoding="utf-8")
    page = check_sound(text)
    assert "Last value" in page.text
    assert "0.6250" in page.text
    assert "The worst window" in page.text
    assert "MAE 0.2500; hour = 13" in page.text
    assert "Coverage of the 80 % interval by step" in page.text
    assert text.count("Mean absolute error at each of 2 steps") == 1


def test_many_classes_and_many_features(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    labels = [f"class {place}" for place in range(30)]
    evidence = run.read("evidence", "evidence.json")
    evidence["confusion"] = {"labels": labels, "matrix": [[1] * 30 for _ in labels]}
    evidence["curves"]["roc"] = {label: [[0, 0], [1, 1]] for label in labels}
    drop = {"value": 0.001, "low": 0.0, "high": 0.002}
    evidence["importance"] = [{"feature": f"f{place}", "drop": drop} for place in range(300)]
    run.change("evidence", "evidence.json", evidence)
    page = write_report(run.folder, run.typed(), run.folders)
    text = check_sound(page.read_text(encoding="utf-8"))
    assert "24 more classes are not drawn" in text.text
    assert "All 300 features as a table" in text.text
    assert '<table class="matrix many">' in page.read_text(encoding="utf-8")
    assert page.stat().st_size < 5_000_000


def test_a_wide_table_gives_a_page_that_can_be_opened(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    names = [f"X{place:04d}" for place in range(1107)]
    write_statistics(
        run.folders["statistics"], np.random.default_rng(0), dict.fromkeys(names, (0.0, 1.0))
    )
    audit, checked = run.read("data_verdict", "audit.json"), []
    for name in names:
        for check in ("missing", "constant", "outliers", "shift"):
            one = {"check": check, "feature": name, "split": "train", "severity": "warn"}
            checked.append(one | {"figure": 0.0, "bound": 0.1, "outcome": "pass", "what": "Fine."})
    audit["checks"] = [*checked, {**checked[0], "outcome": "warn", "what": "X1106 is far off."}]
    run.change("data_verdict", "audit.json", audit)
    page = write_report(run.folder, run.typed(), run.folders)
    text = check_sound(page.read_text(encoding="utf-8"))
    assert page.stat().st_size < 3_000_000
    assert "X1106 is far off." in text.text
    assert "4,029 more checks: see audit.json." in text.text
    assert "1,010 more features are in the artifact of StatisticsGen." in text.text


def test_half_a_page_is_never_left(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space left")

    (tmp_path / REPORT_FILE).write_text("the last one")
    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(OSError, match="no space"):
        write_report(tmp_path, run.typed(), run.folders)
    assert [path.name for path in tmp_path.iterdir()] == [REPORT_FILE]
    assert (tmp_path / REPORT_FILE).read_text() == "the last one"


def test_needs_no_tensorflow(tmp_path: Path, run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from contracts.results.files import read_result;"
        "from contracts.results.summary import Summary; from report.render import write_report;"
        f"summary = read_result(Path({str(run.folder)!r}), Summary);"
        f"write_report(Path({str(tmp_path)!r}), summary, summary.folders);"
        "print([n for n in ('tensorflow', 'tfx', 'matplotlib.pyplot') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
