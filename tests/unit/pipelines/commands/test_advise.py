"""kelp advise: from a file to the table that the baseline models get, and to the answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.cli import main
from pipelines.commands.advise import problem_of, table_of
from pipelines.commands.init import propose
from tests.content_examples import CLASSES, images, texts


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = 300
    size = random.normal(10, 3, rows).round(3)
    late = (size + random.normal(0, 2, rows) > 10).astype(int)
    table = pd.DataFrame(
        {
            "id": np.arange(rows),
            "size": np.where(random.random(rows) < 0.1, np.nan, size),
            "town": random.choice(["york", "hull", "leeds"], rows),
            "day": pd.date_range("2020-01-01", periods=rows, freq="7h").astype(str),
            "late": np.where(late == 1, "yes", "no"),
        }
    )
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)
    return path


def test_the_table_has_what_the_config_of_kelp_init_would_have(data: Path) -> None:
    proposal = propose(str(data), "late", "kelp advise")
    problem, table = problem_of(proposal), table_of(proposal)
    parts = {"day_month", "day_weekday", "day_hour", "day_days"}
    assert set(problem.features) == {"size", "town", *parts}
    assert set(problem.raw_columns()) <= set(table.column_names)
    assert problem.label_classes() == ("no", "yes")
    assert set(table["day_hour"].to_pylist()) <= set(range(24))


def test_the_answer_is_one_paragraph_and_json_where_asked(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advise", str(data), "--label", "late", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["rows"] == {"train": 180, "val": 60, "test": 60}
    assert answer["verdict"] == "more_data"
    assert answer["curve"]["train_rows"] == 180
    assert answer["linear"]["metric"]["value"] > 0.7
    assert "\n" not in answer["paragraph"]


def test_texts_are_read_also_where_there_is_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, labels = texts(300, 0)
    pd.DataFrame({"review": found, "good": labels}).to_csv(tmp_path / "rows.csv", index=False)
    assert main(["advise", str(tmp_path / "rows.csv"), "--label", "good", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["linear"]["metric"]["value"] > 0.8


def test_images_are_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, labels = images(20, 0)
    for place, (content, label) in enumerate(zip(found, labels, strict=True)):
        folder = tmp_path / CLASSES[label]
        folder.mkdir(exist_ok=True)
        (folder / f"{place}.png").write_bytes(content)
    assert main(["advise", str(tmp_path), "--label", "shape"]) == 2
    assert "the images of 'image' need a network" in capsys.readouterr().err


def test_an_unknown_label_is_an_error_with_the_columns(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advise", str(data), "--label", "lat"]) == 2
    assert "kelp advise --label" in capsys.readouterr().err


def test_missing_data_are_reported_where_they_were_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["advise", "nowhere.csv", "--label", "late"]) == 1
    printed = capsys.readouterr().err
    assert "no file matches" in printed
    # DATA is an argument of this command, not an option.
    assert "--data" not in printed
