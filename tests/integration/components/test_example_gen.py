"""ExampleGen on real files, through Beam."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import spans_of
from components.example_gen.config import IngestSpec, SharesSpec, SplitSpec
from components.example_gen.executor import Executor, ingest
from components.example_gen.files import select_files
from components.example_gen.fingerprint import fingerprint
from components.example_gen.rows import Piece, Unit, make_units
from components.example_gen.scan import FileScan
from components.example_gen.split import plan_split
from components.example_gen.units import write_unit
from contracts.errors import DataError, EnvironmentProblem, KelpError

COLUMNS = ("number", "ratio", "city", "flag", "label")
BEAM_ARGS = ["--runner=FnApiRunner"]
Row = tuple[tuple[Any, ...], ...]


def table(rows: int = 600) -> pd.DataFrame:
    """Numbers, fractions, text and booleans, each with missing values."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "number": pd.array(random.integers(-50, 50, rows), dtype="Int64"),
            "ratio": random.normal(size=rows).astype(np.float32).astype(float),
            "city": random.choice(["Zürich", "a,b", 'say "hi"', "two\nlines", "東京"], rows),
            "flag": pd.array(random.random(rows) < 0.5, dtype="boolean"),
            "day": pd.date_range("2013-01-01", periods=rows, freq="h"),
            "label": random.integers(0, 2, rows),
            "unused": "x",
        }
    )
    for at, name in enumerate(["number", "ratio", "city", "flag"]):
        frame.loc[frame.index % 11 == at, name] = None
    return frame


def ingest_spec(path: Path, **changes: Any) -> IngestSpec:
    fields = {
        "path": str(path),
        "format": "auto",
        "spans": "all",
        "delimiter": ",",
        "null_values": ("", "NA"),
        "split": SplitSpec(),
        "columns": COLUMNS,
        "numbers": ("number", "ratio", "flag"),
        "label": "label",
        "task": "binary",
        "where": "configs/mine.yaml",
    }
    return IngestSpec(**{**fields, **changes})


def make_pipeline() -> beam.Pipeline:
    return beam.Pipeline(argv=list(BEAM_ARGS))


def run(spec: IngestSpec, out: Path) -> dict[str, list[Row]]:
    """Ingests, and gives each split's examples in a fixed order."""
    shutil.rmtree(out, ignore_errors=True)
    done = ingest(make_pipeline, select_files(spec), spec, out)
    splits = {split: read(out / f"Split-{split}") for split in done.rows}
    assert {split: len(found) for split, found in splits.items()} == done.rows
    return splits


def read(folder: Path) -> list[Row]:
    files = sorted(str(path) for path in folder.iterdir())
    assert files
    return sorted(
        (_parse(record.numpy()) for record in tf.data.TFRecordDataset(files, "GZIP")), key=repr
    )


def _parse(record: bytes) -> Row:
    features = tf.train.Example.FromString(record).features.feature
    values = []
    for name in sorted(features):
        kind = features[name].WhichOneof("kind")
        value = list(getattr(features[name], kind).value) if kind else []
        assert value or kind is None, "a missing value must not look like an empty list"
        values.append((name, *value))
    return tuple(values)


def expected(frame: pd.DataFrame) -> list[Row]:
    """The examples of a frame, written down without Kelp's code."""
    plain = frame.astype(object).mask(frame.isna(), other=None)
    kinds: dict[str, Callable[[Any], Any]] = {
        "number": int,
        "ratio": lambda value: float(np.float32(value)),
        "city": lambda value: value.encode(),
        "flag": int,
        "label": int,
    }
    return sorted(
        (
            tuple(
                (name,) if row[name] is None else (name, kinds[name](row[name]))
                for name in sorted(COLUMNS)
            )
            for row in plain.to_dict("records")
        ),
        key=repr,
    )


def test_values_and_splits_are_the_same_however_the_data_lie(tmp_path: Path) -> None:
    frame = table()
    (tmp_path / "one").mkdir()
    frame.to_csv(tmp_path / "one" / "all.csv", index=False)
    first = run(ingest_spec(tmp_path / "one"), tmp_path / "out")
    assert sorted([row for rows in first.values() for row in rows], key=repr) == expected(frame)
    assert list(first) == ["train", "val", "test"]

    (tmp_path / "shards").mkdir()
    mixed = frame.sample(frac=1, random_state=1)[list(reversed(frame.columns))]
    for number, at in enumerate(range(0, len(mixed), 100)):
        shard = mixed.iloc[at : at + 100]
        shard.to_csv(tmp_path / "shards" / f"{9 - number}.csv.gz", index=False)
    assert run(ingest_spec(tmp_path / "shards"), tmp_path / "out") == first

    mixed.to_parquet(tmp_path / "all.parquet", index=False, row_group_size=70)
    assert run(ingest_spec(tmp_path / "all.parquet"), tmp_path / "out") == first


@pytest.mark.parametrize(
    "split",
    [
        SplitSpec(by="key", columns=("city", "flag")),
        SplitSpec(by="time", columns=("day",)),
        SplitSpec(by="stratified"),
        SplitSpec(shares=SharesSpec(train=0.7, val=0, test=0.3)),
    ],
    ids=["key", "time", "stratified", "two"],
)
def test_each_way_to_split_gives_the_same_for_csv_and_parquet(
    split: SplitSpec, tmp_path: Path
) -> None:
    frame = table()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.sample(frac=1, random_state=2).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    csv = run(ingest_spec(tmp_path / "a.csv", split=split), tmp_path / "out")
    assert csv == run(ingest_spec(tmp_path / "a.parquet", split=split), tmp_path / "out")
    if split.by == "time":
        assert csv["test"] == expected(frame.sort_values("day").tail(60))
    if split.by == "stratified":
        ones = [sum(("label", 1) in row for row in rows) / len(rows) for rows in csv.values()]
        assert ones == pytest.approx([frame["label"].mean()] * 3, abs=0.02)


def test_the_kind_of_a_column_is_that_of_all_files(tmp_path: Path) -> None:
    """The first file alone would make `a` an integer, and `city` a number."""
    (tmp_path / "1.csv").write_text("a,city,label\n1,10,0\n,11,1\n")
    (tmp_path / "2.csv").write_text("a,city,label\n0.5,10b,1\n2,,0\n")
    shares = SharesSpec(train=1, val=0, test=0)
    spec = ingest_spec(
        tmp_path,
        columns=("a", "city", "label"),
        numbers=("a",),
        split=SplitSpec(shares=shares),
    )
    found = run(spec, tmp_path / "out")["train"]
    assert sorted(row[0] for row in found) == [("a",), ("a", 0.5), ("a", 1.0), ("a", 2.0)]
    assert sorted(row[1] for row in found) == [
        ("city",),
        ("city", b"10"),
        ("city", b"10b"),
        ("city", b"11"),
    ]


def test_spans_and_versions_are_read(tmp_path: Path) -> None:
    frame = table()
    for span in (1, 2, 3):
        for version in (1, 2):
            folder = tmp_path / f"span-{span}" / f"v{version}"
            folder.mkdir(parents=True)
            kept = frame.iloc[(span - 1) * 200 : span * 200]
            (kept if version == 2 else kept.head(1)).to_csv(folder / "data.csv", index=False)
    path = tmp_path / "span-{SPAN}" / "v{VERSION}"
    found = run(ingest_spec(path, spans="2-3"), tmp_path / "out")
    assert sorted([row for rows in found.values() for row in rows], key=repr) == expected(
        frame.iloc[200:]
    )


def test_the_place_of_each_span_in_the_splits_is_known(tmp_path: Path) -> None:
    """Spans as files hold them: several files, several row groups, an empty span."""
    frame = table()
    parts = {1: (0, 100), 2: (100, 110), 3: (110, 110), 5: (110, 600)}
    for span, (low, high) in parts.items():
        (tmp_path / f"span-{span}").mkdir()
        kept = frame.iloc[low:high].assign(number=span)
        middle = len(kept) // 2
        for name, part in {"a": kept.iloc[:middle], "b": kept.iloc[middle:]}.items():
            part.to_parquet(tmp_path / f"span-{span}" / f"{name}.parquet", row_group_size=40)
    spec = ingest_spec(tmp_path / "span-{SPAN}" / "*.parquet")
    done = ingest(make_pipeline, select_files(spec), spec, tmp_path / "out")
    for split, runs in done.spans.items():
        files = sorted(str(path) for path in (tmp_path / "out" / f"Split-{split}").iterdir())
        records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
        held = [
            tf.train.Example.FromString(record).features.feature["number"].int64_list.value[0]
            for record in records
        ]
        assert [span for span, rows in runs for _ in range(rows)] == held
        assert set(held) <= {1, 2, 5}
    assert sum(rows for runs in done.spans.values() for _, rows in runs) == 600


def test_units_of_many_files_hold_rows_of_one_span_each() -> None:
    scans = [FileScan(f"{number}.csv", ("a",), {"a": "int"}, 1) for number in range(600)]
    units = make_units(scans, [number // 7 for number in range(600)])
    paths = [piece.path for unit in units for piece in unit.pieces]
    assert paths == [scan.path for scan in scans]
    assert [unit.index for unit in units] == list(range(len(units)))
    for unit in units:
        assert {int(piece.path[:-4]) // 7 for piece in unit.pieces} == {unit.span}


def test_crlf_a_byte_order_mark_and_an_empty_shard_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"\xef\xbb\xbfa,label\r\n1,0\r\n2,1\r\n")
    (tmp_path / "2.csv").write_bytes(b"label,a")
    shares = SharesSpec(train=1, val=0, test=0)
    spec = ingest_spec(
        tmp_path, columns=("a", "label"), numbers=("a",), split=SplitSpec(shares=shares)
    )
    assert run(spec, tmp_path / "out")["train"] == [
        (("a", 1), ("label", 0)),
        (("a", 2), ("label", 1)),
    ]


ERRORS: dict[str, tuple[bytes, dict[str, Any], list[str]]] = {
    "too few": (b"a,label\n1,0\n2\n", {}, ["too few", "data.csv, line 3", "2 fields", "1 fields"]),
    "too many": (b"a,label\n1,0,3\n", {}, ["too many", "line 2", "2 fields", "3 fields: 1,0,3"]),
    "text": (b"a,label\n1,0\nx7,1\n", {}, ["column a", "data.csv, line 3", "'x7'"]),
    "label": (
        b"a,labels\n1,0\n",
        {},
        ["label column 'label'", "data.csv", "'labels'", "mine.yaml"],
    ),
    "feature": (b"aa,label\n1,0\n", {}, ["column 'a'", "data.csv", "'aa'"]),
    "key": (
        b"a,label\n1,0\n",
        {"split": SplitSpec(by="key", columns=("b",))},
        ["split column 'b'", "data.csv"],
    ),
    "twice": (b"a,a,label\n1,1,0\n", {}, ["'a'", "2 times", "data.csv"]),
    "empty": (b"", {}, ["data.csv is empty"]),
    "no rows": (b"a,label\n", {}, ["no rows", "data.csv", "data.path"]),
    "no split rows": (b"a,label\n1,0\n", {}, ["has no rows", "data.split", "split by row"]),
    "not unicode": (b"a,label\n1,\xe9\n", {}, ["not text in utf-8", "data.csv"]),
    "open quote": (b'a,label\n1,"0\n2,1\n', {}, ["inside a quoted value", "data.csv"]),
    "no time": (
        b"a,label,t\n1,0,2013-01-01\n2,1,soon\n",
        {"split": SplitSpec(by="time", columns=("t",))},
        ["column 't'", "data.csv, line 3", "'soon'"],
    ),
    "missing time": (
        b"a,label,t\n1,0,2013-01-01\n2,1,\n",
        {"split": SplitSpec(by="time", columns=("t",))},
        ["column 't'", "data.csv, row 2", "missing"],
    ),
    "classes": (
        b"a,label\n" + b"".join(b"%d,%d\n" % (n, n) for n in range(300)),
        {"split": SplitSpec(by="stratified")},
        ["'label'", "256 classes"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_bad_csv_is_explained_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    text, changes, parts = ERRORS[name]
    (tmp_path / "data.csv").write_bytes(text)
    fields = {"columns": ("a", "label"), "numbers": ("a",), **changes}
    _assert_explained(ingest_spec(tmp_path / "data.csv", **fields), tmp_path / "out", parts)


def _assert_explained(spec: IngestSpec, out: Path, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        ingest(make_pipeline, select_files(spec), spec, out)
    text = str(caught.value)
    assert [part for part in parts if part not in text] == []
    assert len(text.splitlines()) <= 10
    assert list(out.rglob("*")) == []


def test_a_bad_parquet_is_explained(tmp_path: Path) -> None:
    path, out = tmp_path / "data.parquet", tmp_path / "out"
    fields: dict[str, Any] = {"columns": ("a", "label"), "numbers": ("a",)}
    pd.DataFrame({"a": ["x", "y"], "label": [0, 1]}).to_parquet(path)
    _assert_explained(ingest_spec(path, **fields), out, ["column a", "is text", "data.parquet"])
    pd.DataFrame({"a": [[1], [2]], "label": [0, 1]}).to_parquet(path)
    _assert_explained(ingest_spec(path, **fields), out, ["column a is nested", "data.parquet"])
    pd.DataFrame({"a": pd.array([2**63], "UInt64"), "label": [0]}).to_parquet(path)
    _assert_explained(ingest_spec(path, **fields), out, ["63 bits", "data.parquet, column a"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    _assert_explained(ingest_spec(path, **fields), out, ["data.parquet is not a whole Parquet"])
    path.write_bytes(b"")
    _assert_explained(ingest_spec(path, **fields), out, ["data.parquet is not a whole Parquet"])


def test_a_target_that_cannot_be_written_is_the_environments_fault(tmp_path: Path) -> None:
    table(50).to_csv(tmp_path / "data.csv", index=False)
    spec = ingest_spec(tmp_path / "data.csv")
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        ingest(make_pipeline, select_files(spec), spec, blocker / "out")
    unit = Unit(0, (Piece(str(tmp_path / "data.csv")),))
    kinds = {"number": "int", "ratio": "float", "city": "text", "flag": "bool", "label": "int"}
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write_unit(unit, spec, kinds, plan_split(spec), tmp_path / "absent")


def test_the_executor_describes_what_it_wrote(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "a.parquet", row_group_size=100)
    spec = ingest_spec(tmp_path / "a.parquet")
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "out")
    context = BaseBeamExecutor.Context(beam_pipeline_args=list(BEAM_ARGS), tmp_dir=str(tmp_path))
    Executor(context).Do({}, {"examples": [examples]}, {"ingest": spec.model_dump_json()})

    assert artifact_utils.decode_split_names(examples.split_names) == ["train", "val", "test"]
    rows = [examples.get_int_custom_property(f"rows_{name}") for name in ("train", "val", "test")]
    assert sum(rows) == 600
    assert json.loads(examples.get_string_custom_property("ignored_columns")) == ["day", "unused"]
    assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert examples.get_string_custom_property("file_format") == "tfrecords_gzip"
    digest = fingerprint(select_files(spec), spec)
    assert examples.get_string_custom_property("input_fingerprint") == digest
    assert examples.get_int_custom_property("files") == 1
    assert spans_of(examples) == {
        name: [(0, count)] for name, count in zip(("train", "val", "test"), rows, strict=True)
    }
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"Split-train", "Split-val", "Split-test"}
    assert [path.name for path in (tmp_path / "out" / "Split-val").iterdir()] == [
        "data_tfrecord-00000-of-00001.gz"
    ]


def test_errors_keep_their_type_through_beam(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,label\n1\n")
    spec = ingest_spec(tmp_path / "data.csv", columns=("a", "label"), numbers=())
    with pytest.raises(KelpError) as caught:
        ingest(make_pipeline, select_files(spec), spec, tmp_path / "out")
    assert type(caught.value) is DataError
