"""What `kelp show` and the end of a run print of the variants."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from contracts.results.sample import SampledRows
from contracts.results.summary import Summary
from evidence.variant_choice import recommend
from pipelines.commands.summary import render
from tests.fixtures.report_run import full_run, variants
from tests.fixtures.variant_verdicts import unmade, verdict, verdicts


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return full_run(tmp_path_factory.mktemp("run")).typed()


def printed(summary: Summary, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    render(summary, console)
    text: str = console.file.getvalue()
    return text


def with_fields(summary: Summary, **fields: Any) -> Summary:
    return summary.model_copy(update=fields)


def line(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [name])


def test_a_line_for_each_variant(summary: Summary) -> None:
    text = printed(summary)
    assert line(text, "int8") == [
        *("int8", "blessed", "0.40x", "0.72x", "0.37x", "0.97x", "-0.0004"),
        "serving_models/flights-int8/4",
    ]
    assert line(text, "float32")[-1] == "serving_models/flights/4"
    assert line(text, "tflite_full_int8")[1] == "refused"
    assert "tflite_full_int8 loses 0.0713 of roc_auc, more than 0.005 allows." in text
    assert line(text, "pruned24")[:4] == ["pruned24", "unsupported", "2:4", "needs"]
    assert line(text, "qat")[1] == "failed"
    names = [one.name for one in variants()]
    first = [words[0] for words in map(str.split, text.splitlines()) if words]
    assert [word for word in first if word in names] == names


def test_what_is_recommended(summary: Summary) -> None:
    text = printed(summary, 240)
    assert "recommended" in text
    assert "server: distilled_int8, 0.35x the bytes and 1.27x the rows per second" in text
    assert "phone: tflite_int8, 0.17x the bytes" in text
    assert "download: tflite_pruned80_int8, 0.08x the gzipped bytes" in text
    only = [verdict("onnx")]
    text = printed(with_fields(summary, variants=only, recommended=recommend(only)), 240)
    assert "download: onnx" in text
    assert "server:" not in text


@pytest.mark.parametrize("width", [80, 100, 160])
def test_names_and_figures_stay_whole(summary: Summary, width: int) -> None:
    text = printed(summary, width)
    for one in verdicts():
        cells = line(text, one.name)
        assert cells[1] == one.status
        assert cells[6] == f"{one.main_difference.value:+.4f}"
    reason = "tflite_full_int8: tflite_full_int8 loses 0.0713 of roc_auc, more than 0.005 allows."
    assert (reason in text.splitlines()) == (width < 100)
    assert ("int8: serving_models/flights-int8/4" in text.splitlines()) == (width < 100)
    if width < 100:
        return
    assert max(map(len, text.splitlines())) <= width


def test_none_are_not_mentioned(summary: Summary) -> None:
    text = printed(with_fields(summary, variants=[], recommended=recommend([])))
    assert "variants" not in text
    assert "recommended" not in text


def test_what_is_on_a_sample_has_a_line_each(summary: Summary) -> None:
    assert "sample" not in printed(summary)
    sampled = [
        SampledRows(what="stress", rows=250_110, all_rows=641_900),
        SampledRows(what="baseline models, train", rows=250_000, all_rows=2_000_000),
    ]
    text = printed(with_fields(summary, sampled=sampled))
    assert "stress: on 250,110 of 641,900 rows" in text
    assert "baseline models, train: on 250,000 of 2,000,000 rows" in text


def test_markup_in_reasons_stays_text(summary: Summary) -> None:
    crashed = unmade("int8", "failed", "[red]the shape [/bold] is (None, 3)")
    assert "[red]the shape [/bold] is (None, 3)" in printed(
        with_fields(summary, variants=[crashed]), 200
    )


def test_stays_light_and_quiet(summary: Summary, tmp_path: Path) -> None:
    folder = full_run(tmp_path).folder
    code = (
        "import sys; from pathlib import Path; from pipelines.commands.summary import show;"
        f"show(Path({str(folder)!r}));"
        "print([n for n in ('tensorflow', 'tfx', 'pandas', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "[]"


def test_of_many_reasons_the_first_are_shown(summary: Summary) -> None:
    text = printed(
        with_fields(summary, reasons=[f"slice number {place} is worse" for place in range(30)])
    )
    assert "slice number 7 is worse" in text
    assert "slice number 8 is worse" not in text
    assert "and 22 more: see the report" in text
