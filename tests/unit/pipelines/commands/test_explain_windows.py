"""`kelp explain` of a model of windows: what features add, and what their steps add."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from contracts.errors import ConfigError
from models.content.windows import occlude_steps, preview_window
from pipelines.commands.explain import explain_row, render, to_json, write_page
from tests.fixtures import small_windows

ROW = {"the load_past": [1, 2, None, 4, 5, 6], "wind_future": [10, 11, 12.5], "a": 1.5}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model") / "1"
    return str(small_windows.write(folder, small_windows.network()))


def _explained(model: str, row: dict[str, Any]) -> Any:
    return explain_row(model, json.dumps(row), None, 0)


def test_features_and_steps_add_to_a_prediction(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explained = _explained(model, ROW)
    content = explained.content
    assert {entry["feature"] for entry in content["attributions"]} == {"past", "wind_future", "a"}
    total = content["reference_score"] + content["residual"]
    total += sum(entry["attribution"] for entry in content["attributions"])
    assert total == pytest.approx(content["score"], abs=1e-4)
    views = explained.views
    assert set(views) == {"the load_past", "wind_past", "wind_future"}
    assert views["wind_past"].note == "missing"
    (weights,) = views["the load_past"].heat.weights
    assert len(weights) == 6
    assert weights[2] == 0
    assert any(weights)
    json.loads(to_json(explained))
    write_page(tmp_path / "x.html", explained)
    page = (tmp_path / "x.html").read_text()
    assert page.count("data:image/png") == 2
    assert 'class="heat"' in page
    render(explained, Console(width=100))
    assert "6 steps from 1 to 6; step" in capsys.readouterr().out


def test_a_row_of_a_file_is_explained(model: str, tmp_path: Path) -> None:
    table = pa.table({name: [value, value] for name, value in ROW.items()})
    pq.write_table(table, tmp_path / "rows.parquet")
    explained = explain_row(model, None, tmp_path / "rows.parquet", 1)
    wanted = _explained(model, ROW).content["prediction"]["predictions"]
    assert explained.content["prediction"]["predictions"] == pytest.approx(wanted)


@pytest.mark.parametrize("value", [[1, 2], 3, ["a", "b", "c"], "abc"])
def test_a_list_of_another_length_is_refused_with_its_name(model: str, value: Any) -> None:
    with pytest.raises(ConfigError, match="'wind_future' is no list of 3 numbers"):
        _explained(model, {**ROW, "wind_future": value})


def test_steps_are_left_out_in_parts() -> None:
    steps = np.arange(100, dtype=np.float32)
    occlusion = occlude_steps(steps)
    assert occlusion is not None
    missing = np.isnan(np.stack(occlusion.covered))
    assert missing.shape == (24, 100)
    np.testing.assert_array_equal(missing.sum(axis=0), 1)
    view = occlusion.show([0.0] * 23 + [2.0])
    assert "steps 97 to 100 +2" in (view.note or "")
    assert preview_window(np.full(3, 7.0)).png
    assert occlude_steps(np.full(3, np.nan)) is None
