"""The rows that `kelp predict` reads, the answers that it writes, and what it refuses."""

import json
import sys
from subprocess import run
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen.config import RawFormat
from contracts.errors import ConfigError, DataError
from contracts.preparations.images import require_decodable
from pipelines import cli
from pipelines.commands.predict import RowOptions, find_artifact, predict
from pipelines.prediction.answers import AnswerFile, answer_table
from pipelines.prediction.model_rows import require_columns
from pipelines.prediction.raw_rows import nth_row, open_rows
from tests.fixtures.pictures import COLOUR, encoded

PNG = encoded(COLOUR, "PNG")
TYPES = {"n": "number", "i": "integer", "the text": "text"}
ROWS = pa.table(
    {
        "other": ["x", "y", "z"],
        "the text": ["007", None, 'ü, "q"'],
        "i": [3, None, -5],
        "n": [0.1, None, 2.0],
    }
)


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def _read(path, types=TYPES, **options):
    return pa.concat_tables(list(open_rows(path, types, RawFormat(**options)).tables()))


def test_csv_and_parquet_give_the_same_rows(tmp_path):
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    pa_csv.write_csv(ROWS, tmp_path / "rows.csv")
    wanted = ROWS.select(["n", "i", "the text"])
    for name in ("rows.parquet", "rows.csv"):
        assert _read(tmp_path / name).equals(wanted), name
    # By how it begins, where the name says nothing.
    (tmp_path / "rows").write_bytes((tmp_path / "rows.parquet").read_bytes())
    assert _read(tmp_path / "rows").equals(wanted)


def test_values_are_read_as_training_data_are(tmp_path):
    text = "n;i;the text\n true ;4.0;NA\nNaN;;nan\n1e3;FALSE; x\n"
    table = _read(_write(tmp_path / "a.csv", text), delimiter=";")
    assert table.to_pydict() == {
        "n": [1.0, None, 1000.0],
        "i": [4, None, 0],
        "the text": [None, None, " x"],
    }


def test_parquet_has_types_of_its_own(tmp_path):
    table = pa.table(
        {
            "n": pa.array([True, None, False]),
            "i": pa.array([1.0, float("nan"), None]),
            "the text": pa.array([7, None, 9]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    read = _read(tmp_path / "a.parquet").to_pydict()
    assert read == {"n": [1.0, None, 0.0], "i": [1, None, None], "the text": ["7", None, "9"]}


def test_columns_are_found_by_their_names_in_the_data_or_as_inputs(tmp_path):
    path = _write(tmp_path / "a.csv", "the text,n\na,1\n")
    rows = open_rows(path, {"the_text": "text", "n": "number", "m": "number"})
    assert rows.found == {"the_text": "the text", "n": "n"}
    assert rows.missing == ["m"]
    path = _write(tmp_path / "b.csv", "the text,the_text\na,b\n")
    with pytest.raises(DataError, match="several columns"):
        open_rows(path, {"the_text": "text"})


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("n,i,the text\n1,2,a\nfar,3,b\n", "line 3", "'n'"),
        ("n,i,the text\n1,2,a\n2,3.5,b\n", "line 3", "'i'"),
        ("n,i,the text\n1,1e30,a\n", "line 2", "'i'"),
    ],
)
def test_a_value_of_another_type_is_reported_with_row_and_column(tmp_path, text, line, column):
    path = _write(tmp_path / "a.csv", text)
    with pytest.raises(DataError, match=f"the value of {column} is of another type") as caught:
        _read(path)
    assert line in caught.value.where
    assert column in caught.value.where


@pytest.mark.parametrize(
    ("values", "result"),
    [
        (pa.array([[1]]), "list"),
        (pa.array([b"\xff"]), "integer"),
        (pa.array([2**63], pa.uint64()), "9223372036854775808"),
        (pa.array([0.5]), "0.5"),
    ],
)
def test_a_parquet_column_of_another_type_is_reported(tmp_path, values, result):
    pq.write_table(pa.table({"i": values}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'i'") as caught:
        _read(tmp_path / "a.parquet", {"i": "integer"})
    result = caught.value.expected if result == "integer" else result
    assert result in "\n".join(caught.value.lines())


def test_a_lacking_column_is_reported_with_its_nearest(tmp_path):
    rows = open_rows(_write(tmp_path / "a.csv", "n,ii,the text\n"), TYPES)
    with pytest.raises(DataError, match="no column 'i'") as caught:
        require_columns(rows)
    assert caught.value.fix == "did you mean 'ii'?"
    rows = open_rows(_write(tmp_path / "a.csv", "n\n"), TYPES)
    with pytest.raises(DataError, match="no column 'i' and lacks the text") as caught:
        require_columns(rows)
    assert "--allow-missing" in caught.value.fix


def test_rows_of_many_batches_keep_their_places(tmp_path):
    count = 70_000
    table = pa.table({"n": np.arange(count, dtype=np.float64)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10_000)
    rows = open_rows(tmp_path / "a.parquet", {"n": "number"})
    assert len(list(rows.tables())) > 2
    assert nth_row(rows, 40_000) == {"n": 40_000.0}
    values = table["n"].to_pylist()
    values[60_123] = "far"
    pa_csv.write_csv(pa.table({"n": list(map(str, values))}), tmp_path / "a.csv")
    with pytest.raises(DataError) as caught:
        _read(tmp_path / "a.csv", {"n": "number"})
    assert "line 60125" in caught.value.where


ANSWERS = {
    "binary": {
        "decisions": np.array([1, 0], np.float32),
        "classes": np.array(["yes", 'no, "never"']),
        "probabilities": np.array([0.1, 1e-5], np.float32),
    },
    "multiclass": {
        "probabilities": np.array([[0.25, 0.75], [1, 0]], np.float32),
        "classes": np.array([b"\xc3\xbc", b"a"], object),
        "scores": np.array([0.75, 1], np.float32),
    },
    "regression": {"predictions": np.array([3, -1.5], np.float32)},
}
ORDER = {
    "binary": ["probabilities", "classes", "decisions"],
    "multiclass": ["probabilities", "classes", "scores"],
    "regression": ["predictions"],
}


@pytest.mark.parametrize("task", ANSWERS)
def test_answers_are_written_in_three_forms(tmp_path, task):
    table = answer_table(ANSWERS[task])
    assert table.column_names == ORDER[task]
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        with AnswerFile(tmp_path / name) as file:
            file.write(table)
            file.write(table.slice(0, 1))
            assert not (tmp_path / name).exists()
    wanted = pa.concat_tables([table, table.slice(0, 1)])
    assert pq.read_table(tmp_path / "a.parquet").equals(wanted)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    lines = pa_csv.read_csv(tmp_path / "a.csv").to_pylist()
    assert len(lines) == len(rows) == 3
    for row, line, answers in zip(rows, lines, wanted.to_pylist(), strict=True):
        if task == "multiclass":
            line["probabilities"] = json.loads(line["probabilities"])
        assert row == line
        for name, value in answers.items():
            same = value if isinstance(value, str) else pytest.approx(value, rel=1e-7)
            assert row[name] == same
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.jsonl", "a.parquet"]


def test_kept_columns_are_written_before_the_answers(tmp_path):
    rows = pa.table({"key": ["a", None, 'b "c"'], "when": [1, 2, None], "n": [0.5, 1.5, 2.5]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        predict(
            _Doubling(),
            tmp_path / "rows.parquet",
            tmp_path / name,
            2,
            options=RowOptions(keep=("key", "when", "n")),
        )
    wanted = [
        {"key": "a", "when": 1, "n": 0.5, "predictions": 1.0},
        {"key": None, "when": 2, "n": 1.5, "predictions": 3.0},
    ]
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == wanted
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == wanted
    assert (tmp_path / "a.csv").read_text() == ("key,when,n,predictions\na,1,0.5,1\n,2,1.5,3\n")


@pytest.mark.parametrize(("name", "error"), [("ky", DataError), ("classes", ConfigError)])
def test_a_column_that_cannot_be_kept_is_an_error(tmp_path, name, error):
    path = _write(tmp_path / "a.csv", "n,key,classes\n1,a,b\n")
    with pytest.raises(error) as caught:
        predict(_Doubling(), path, tmp_path / "out.csv", None, options=RowOptions(keep=(name,)))
    assert caught.value.where == "--keep"
    assert not (tmp_path / "out.csv").exists()


def test_lists_cannot_be_kept_and_bytes_are_escaped(tmp_path):
    rows = pa.table({"n": [0.5], "tags": [["a", "b"]], "code": [b"caf\xe9"]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    out = tmp_path / "out.csv"
    with pytest.raises(DataError, match="the column 'tags' cannot be kept"):
        predict(
            _Doubling(), tmp_path / "rows.parquet", out, None, options=RowOptions(keep=("tags",))
        )
    assert not out.exists()
    predict(_Doubling(), tmp_path / "rows.parquet", out, None, options=RowOptions(keep=("code",)))
    assert out.read_text() == "code,predictions\ncaf\\xe9,1\n"


@pytest.mark.parametrize("data", ["photos", "table.csv", "table.parquet"])
def test_an_image_that_cannot_be_decoded_is_named(tmp_path, monkeypatch, data):
    monkeypatch.setattr("pipelines.commands.predict._ROWS_AT_ONCE", 100)
    names = [f"{number:03}.png" for number in range(300)]
    for name in names:
        (tmp_path / "photos" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(PNG[:-20] if name == "257.png" else PNG)
    rows = pa.table({"my photo": [f"photos/{name}" for name in names]})
    pa_csv.write_csv(rows, tmp_path / "table.csv")
    contents = [(tmp_path / "photos" / name).read_bytes() for name in names]
    pq.write_table(pa.table({"my photo": contents}), tmp_path / "table.parquet")
    with pytest.raises(DataError, match="'my_photo' holds an image that cannot be") as caught:
        predict(_Bright(), tmp_path / data, tmp_path / "out.csv", None)
    file = {"photos": " (257.png)", "table.csv": " (photos/257.png)", "table.parquet": ""}[data]
    assert caught.value.where == f"{tmp_path / data}, row 258{file}"
    assert not (tmp_path / "out.csv").exists()


class _Bright:
    """Decodes images, as an artifact does."""

    types: ClassVar[dict[str, str]] = {"my photo": "image"}
    images: ClassVar[dict[str, int]] = {"my_photo": 1000}
    sizes: ClassVar[dict[str, int]] = {}

    def inputs(self, table):
        return {"my_photo": table["my photo"].to_numpy(zero_copy_only=False)}

    def answers(self, inputs):
        require_decodable(inputs, self.images)
        return {"predictions": np.ones(len(inputs["my_photo"]))}


class _Doubling:
    types = {"n": "number"}
    images: ClassVar[dict[str, int]] = {}
    sizes: ClassVar[dict[str, int]] = {}

    def inputs(self, table):
        return {"n": table["n"].to_numpy()}

    def answers(self, inputs):
        return {"predictions": inputs["n"] * 2}


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(width=32), min_size=1), words=st.text())
def test_every_answer_survives_json(tmp_path_factory, values, words):
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    scores = np.array(values, np.float32)
    table = answer_table(
        {"predictions": scores, "classes": np.array([words] * len(values), object)}
    )
    with AnswerFile(path) as file:
        file.write(table)
    for line, value in zip(path.read_text().split("\n"), scores, strict=False):
        row = json.loads(line)
        assert row["classes"] == words
        if np.isfinite(value):
            assert np.float32(row["predictions"]) == value
        else:
            assert row["predictions"] is None


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_failure_leaves_what_was_there(tmp_path, name):
    (tmp_path / name).write_text("before")
    table = answer_table(ANSWERS["binary"])

    def fail():
        with AnswerFile(tmp_path / name) as file:
            file.write(table)
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"


def test_what_is_meant_is_reported_by_what_is_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("tflite_int8", "onnx"):
        folder = tmp_path / "artifacts" / "toy" / "1" / name
        folder.mkdir(parents=True)
        (folder / "artifact.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds several artifacts") as caught:
        find_artifact("artifacts/toy/1")
    assert "artifacts/toy/1/onnx, artifacts/toy/1/tflite_int8" in caught.value.expected
    saved = tmp_path / "serving_models" / "toy-int8" / "3"
    saved.mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"")
    for text in ("toy-int8", "serving_models/toy-int8", str(saved)):
        folder = find_artifact(text)
        assert folder.resolve() == saved
    with pytest.raises(ConfigError, match="no model 'boat'"):
        find_artifact("boat")


def test_mistakes_on_the_command_line_are_reported(tmp_path, capsys):
    assert cli.main(["predict", "toy"]) == 2
    assert "--data" in capsys.readouterr().err
    assert cli.main(["predict", "toy", "--data", "a.csv", "--rows", "0"]) == 2
    (tmp_path / "saved_model.pb").write_bytes(b"")
    out = str(tmp_path / "answers.txt")
    assert cli.main(["predict", str(tmp_path), "--data", "a.csv", "--out", out]) == 2
    assert ".jsonl" in capsys.readouterr().err


def test_the_command_imports_no_tensorflow():
    script = "import sys, pipelines.commands.predict; assert 'tensorflow' not in sys.modules"
    run([sys.executable, "-c", script], check=True)
