"""`kelp explain`, in this process, on a small exported model."""

import json
from io import StringIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rich.console import Console

from contracts.errors import ConfigError, DataError
from pipelines import cli
from pipelines.commands.explain import Explained, find_model, render
from pipelines.prediction.single_row import checked, row_from_file, row_from_text
from tests import small_model

ROW = {"x": 1.5, "the count": 7, "hour": 6, "flag": True, "color": "red", "code": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    for name, task, version in (
        ("toy", "binary", 2),
        ("toy", "regression", 10),
        ("many", "multiclass", 1),
    ):
        small_model.write(folder / "serving_models" / name / str(version), task)
    (folder / "serving_models" / "toy" / ".tmp-1").mkdir()
    tf.saved_model.save(tf.Module(), str(folder / "old"))
    columns = {name: [value, value] for name, value in ROW.items()} | {"y": ["no", "yes"]}
    columns["x"] = [None, 1.5]
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    text = "x,the count,hour,flag,color,code,y\nNA,7,6,true,red,2,no\n1.5,7,6,true,red,2,yes\n"
    (folder / "rows.csv").write_text(text)
    (folder / "other.csv").write_text("a,b\n1,2\n")
    (folder / "row.json").write_text(json.dumps(ROW))
    return folder


@pytest.fixture(autouse=True)
def _there(place, monkeypatch):
    monkeypatch.chdir(place)


def _json(capsys, *arguments):
    assert cli.main(["explain", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_row_is_explained(capsys):
    result = _json(capsys, "serving_models/toy/2", "--row", json.dumps(ROW))
    model = tf.saved_model.load("serving_models/toy/2")
    inputs = {
        "x": [1.5],
        "the_count": [7.0],
        "hour": [6.0],
        "flag": [1.0],
        "color": ["red"],
    } | {"code": tf.constant([2], tf.int64)}
    served = model.signatures["serving_default"](
        **{name: tf.constant(value) for name, value in inputs.items()}
    )
    assert result["prediction"]["probabilities"] == pytest.approx(float(served["probabilities"][0]))
    assert result["prediction"]["classes"] in ("no", "yes")
    assert result["explained"] == "log-odds that y is yes"
    total = sum(entry["attribution"] for entry in result["attributions"])
    assert total + result["residual"] == pytest.approx(result["score"] - result["reference_score"])
    values = {entry["feature"]: entry["value"] for entry in result["attributions"]}
    assert values == ROW
    sizes = [abs(entry["attribution"]) for entry in result["attributions"]]
    assert sizes == sorted(sizes, reverse=True)


def test_every_way_to_give_a_row_gives_the_same(capsys):
    wanted = _json(capsys, "many", "--row", json.dumps(ROW))
    assert wanted["task"] == "multiclass"
    best = max(wanted["prediction"]["probabilities"])
    assert wanted["explained"].endswith("abc"[wanted["prediction"]["probabilities"].index(best)])
    ways = (
        ("--row", "@row.json"),
        ("--data", "rows.parquet", "--index", "1"),
        ("--data", "rows.csv", "--index", "1"),
    )
    for arguments in ways:
        assert _json(capsys, "many", *arguments) == wanted, arguments


def test_missing_values_are_missing(capsys):
    wanted = _json(capsys, "toy", "--row", json.dumps({**ROW, "x": None}))
    assert wanted["model"].endswith("10")
    assert wanted["explained"] == "predicted y"
    left_out = json.dumps({name: value for name, value in ROW.items() if name != "x"})
    for arguments in (
        ("--row", left_out),
        ("--data", "rows.parquet"),
        ("--data", "rows.csv", "--index", "0"),
    ):
        assert _json(capsys, "toy", *arguments) == wanted, arguments


def test_the_table_shows_the_prediction_and_every_feature(capsys):
    assert cli.main(["explain", "serving_models/toy/2", "--row", '{"color": "red"}']) == 0
    printed = capsys.readouterr()
    assert "P(y = yes): 0." in printed.out
    assert all(name in printed.out for name in ROW)
    assert printed.out.count("missing") == len(ROW) - 1
    assert "an average row" in printed.out
    assert printed.err == ""
    assert cli.main(["explain", "toy", "--row", "{}"]) == 0
    assert "y: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "reported"),
    [
        (["toys", "--row", "{}"], 2, "did you mean 'toy'?"),
        (["rows.csv", "--row", "{}"], 2, "rows.csv is no SavedModel"),
        (["old", "--row", "{}"], 1, "kelp run CONFIG --from Trainer"),
        (["toy"], 2, "either --row or --data"),
        (["toy", "--row", "{}", "--data", "rows.csv"], 2, "both"),
        (["toy", "--row", '{"colour": 1}'], 2, "did you mean 'color'?"),
        (["toy", "--row", '{"color": 1}'], 2, "text or null"),
        (["toy", "--row", '{"x": "far"}'], 2, "a number, true or false, or null"),
        (["toy", "--row", '{"code": 1.5}'], 2, "a whole number or null"),
        (["toy", "--row", "{color"], 2, "not JSON"),
        (["toy", "--row", "[1]"], 2, "not a JSON object"),
        (["toy", "--row", "@none.json"], 2, "none.json cannot be read"),
        (["toy", "--data", "none.csv"], 1, "there is no file none.csv"),
        (["toy", "--data", "rows.csv", "--index", "2"], 1, "0 to 1"),
        (["toy", "--data", "rows.parquet", "--index", "-1"], 1, "0 to 1"),
        (["toy", "--data", "row.json"], 1, "row.json is JSON, which Kelp does not read"),
        (["toy", "--data", "other.csv"], 1, "none of the model's features"),
    ],
)
def test_mistakes_are_reported_in_a_few_lines(capsys, arguments, status, reported):
    assert cli.main(["explain", *arguments]) == status
    lines = capsys.readouterr().err
    assert reported in lines
    assert lines.startswith("error: ")
    assert len(lines.splitlines()) <= 5


def test_the_newest_version_is_taken(place):
    assert find_model("toy").name == "10"
    assert find_model("serving_models/toy").name == "10"
    assert find_model("serving_models/toy/2").name == "2"
    assert find_model(str(place / "serving_models" / "toy")).name == "10"
    with pytest.raises(ConfigError, match="no model 'boat'"):
        find_model("boat")


def test_rows_are_checked_against_the_features():
    types = {"n": "number", "i": "integer", "t": "text"}
    row = checked({"n": True, "i": 3.0}, types)
    assert row == {"n": 1.0, "i": 3, "t": None}
    assert checked({"n": float("nan"), "t": ""}, types) == {"n": None, "i": None, "t": None}
    assert row_from_text('{"n": 1}') == {"n": 1}


def test_numbers_are_shown_without_quotes_and_texts_with():
    attributions = [
        {"feature": "amount", "value": 33.25, "attribution": 1.0},
        {"feature": "days", "value": 19726, "attribution": 0.5},
        {"feature": "code", "value": "007", "attribution": 0.0},
        {"feature": "seats", "value": None, "attribution": 0.0},
    ]
    content = {
        "model": "m",
        "task": "regression",
        "label": "y",
        "prediction": {"predictions": 2.0},
        "explained": "predicted y",
        "score": 2.0,
        "reference_score": 0.5,
        "attributions": attributions,
    }
    console = Console(width=100, file=StringIO())
    render(Explained(content, {}), console)
    cells = [line.split("│") for line in console.file.getvalue().splitlines() if "│" in line]
    assert [cell[2].strip() for cell in cells[:4]] == ["33.25", "19726", "'007'", "missing"]


def test_half_a_character_is_no_text():
    with pytest.raises(ConfigError, match="the value of 't'"):
        checked(row_from_text(r'{"t": "sad \ud83d"}'), {"t": "text"})


def test_text_that_looks_like_a_number_stays_text(tmp_path):
    path = tmp_path / "codes.csv"
    path.write_text("t,n\n007,1\n")
    assert row_from_file(path, 0, {"t": "text", "n": "number"}) == {"t": "007", "n": 1}
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"cut short")
    with pytest.raises(DataError, match="not a whole Parquet file"):
        row_from_file(broken, 0, {"t": "text"})
