"""`kelp predict`: the same rows through every kind of artifact of one network."""

import functools
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from models.data.raw_table import read_table
from pipelines import cli

FORMS = ("savedmodel_float32", "tflite_float32", "onnx_float32")


class Place:
    """One network in every kind, beside its rows in val."""

    def __init__(self, world, artifacts, candidate, converted, folder):
        self.folder = folder
        self.candidate = candidate
        columns = [*world.problem.features, "key"]
        self.table = read_table(artifacts.val_files, world.schema, columns)
        pq.write_table(self.table, folder / "rows.parquet")
        pa_csv.write_csv(self.table, folder / "rows.csv")
        self.artifacts = [candidate, *converted]


@pytest.fixture(scope="module")
def places(worlds, trained, materials, converted, tmp_path_factory):
    def make(case):
        forms = [converted(case, form) for form in FORMS]
        candidate, _ = trained(case)
        folder = tmp_path_factory.mktemp(case)
        return Place(worlds(case), materials(case)[0], candidate, forms, folder)

    return functools.cache(make)


def _predict(artifact, data, out, *options):
    arguments = ["predict", str(artifact), "--data", str(data), "--out", str(out), *options]
    assert cli.main(arguments) == 0
    return pq.read_table(out)


def _same(found, wanted):
    assert found.schema == wanted.schema
    for name in wanted.column_names:
        one, other = found[name].to_pylist(), wanted[name].to_pylist()
        if name in ("classes", "decisions"):
            assert one == other
        else:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("case", ["binary_text", "multiclass", "regression"])
def test_all_kinds_give_the_same_answers(places, tmp_path, case):
    place = places(case)
    wanted = _predict(place.candidate, place.folder / "rows.parquet", tmp_path / "a.parquet")
    assert wanted.num_rows == 200
    if case != "regression":
        assert len(set(wanted["classes"].to_pylist())) > 1
    for artifact in place.artifacts[1:]:
        for name in ("rows.parquet", "rows.csv"):
            _same(_predict(artifact, place.folder / name, tmp_path / "b.parquet"), wanted)


def test_an_odd_row_gets_the_same_answers_too(places, tmp_path, capsys):
    """Fractions in a column of integers, numbers without end, words never seen, no value."""
    place = places("multiclass")
    lines = [
        "num,count,examples,constant,flag,hour,color,code,the town,_île/(Straße),skewed,heavy,tied",
        "inf,3.75,1e30,7,true,23.9,pink,99,nowhere,a\\b,-1,1e30,0.5",
        "-1e9,-5.5,NaN,0,0.5,-3,,,,,inf,-inf,-99",
        ",,,,,,,,,,,,",
        "50,16777217,0.5,7,1,5,red,11.0,town 1,a\\nb,20,0.5,3",
    ]
    (tmp_path / "odd.csv").write_text("\n".join(lines) + "\n")
    tables = [
        _predict(artifact, tmp_path / "odd.csv", tmp_path / "a.parquet")
        for artifact in place.artifacts
    ]
    assert tables[0].num_rows == 4
    for table in tables[1:]:
        _same(table, tables[0])


def test_lacking_columns_are_refused_unless_they_are_allowed(places, tmp_path, capsys):
    place = places("binary_text")
    pq.write_table(place.table.drop_columns(["num", "the town"]), tmp_path / "few.parquet")
    empty = place.table.set_column(0, "num", pa.nulls(200, pa.float32()))
    empty = empty.drop_columns(["the town"]).append_column("the town", pa.nulls(200, pa.string()))
    pq.write_table(empty, tmp_path / "empty.parquet")
    for artifact in place.artifacts:
        data = ["predict", str(artifact), "--data", str(tmp_path / "few.parquet")]
        assert cli.main(data) == 1
        printed = capsys.readouterr()
        assert "has no column 'num'" in printed.err
        assert printed.out == ""
        wanted = _predict(artifact, tmp_path / "empty.parquet", tmp_path / "a.parquet")
        assert capsys.readouterr().err == ""
        found = _predict(
            artifact, tmp_path / "few.parquet", tmp_path / "b.parquet", "--allow-missing"
        )
        _same(found, wanted)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("warning: missing in every row: num, the")


def test_the_first_rows_are_printed_without_tensorflow(places, tmp_path):
    """In a process of its own: what is printed is CSV, and nothing else."""
    place = places("binary_text")
    wanted = _predict(place.candidate, place.folder / "rows.csv", tmp_path / "a.parquet")
    script = (
        "import sys; from pipelines import cli; status = cli.main(sys.argv[1:]); "
        "assert not {'tensorflow', 'tfx'} & set(sys.modules); sys.exit(status)"
    )
    for artifact in place.artifacts[2:]:
        arguments = ["predict", str(artifact), "--data", "rows.csv", "--rows", "3"]
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=place.folder,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        assert lines[0] == "probabilities,classes,decisions"
        assert len(lines) == 4
        for line, row in zip(lines[1:], wanted.to_pylist(), strict=False):
            probability, name, decision = line.split(",")
            assert float(probability) == pytest.approx(row["probabilities"], abs=1e-5)
            assert (name, float(decision)) == (row["classes"], row["decisions"])


def test_a_broken_artifact_is_reported(places, tmp_path, capsys):
    place = places("binary_text")
    data = str(place.folder / "rows.parquet")
    lost = tmp_path / "lost"
    lost.mkdir()
    text = (place.artifacts[2] / "artifact.json").read_text()
    (lost / "artifact.json").write_text(text)
    assert cli.main(["predict", str(lost), "--data", data]) == 1
    assert "no such file" in capsys.readouterr().err
    (lost / "artifact.json").write_text(json.dumps({"format": "tflite_float32"}))
    assert cli.main(["predict", str(lost), "--data", data]) == 1
    assert "artifact.json cannot be read" in capsys.readouterr().err
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"not one")
    assert cli.main(["predict", str(broken), "--data", data]) == 1
    assert "does not load" in capsys.readouterr().err
