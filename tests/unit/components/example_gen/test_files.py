"""Which raw files a config names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.example_gen.config import IngestSpec
from components.example_gen.files import choose_spans, select_files
from components.example_gen.fingerprint import fingerprint
from contracts.errors import ConfigError, DataError
from tests.fixtures.ingest import ingest_spec


def write(path: Path, text: str = "a,y\n1,0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def names(spec: IngestSpec, root: Path) -> list[str]:
    return [str(Path(one.path).relative_to(root)) for one in select_files(spec).sources]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ("all", {1, 2, 5, 12}),
        ("5", {5}),
        ("2-5", {2, 5}),
        ("3-4", set()),
        ("last 2", {5, 12}),
        ("last 9", {1, 2, 5, 12}),
        ("last 0", set()),
    ],
)
def test_spans_are_chosen(spans: str, expected: set[int]) -> None:
    assert choose_spans([12, 1, 2, 5, 5], spans) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"text": "good", "y": 1}\n', "JSON"),
        ('[\n  {"text": "good"}\n]', "JSON"),
        ("PK\x03\x04xl/workbook.xml", "an Excel or zip file"),
    ],
)
def test_a_file_of_another_format_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = write(tmp_path / "rows.data", text)
    with pytest.raises(DataError, match=f"rows.data is {named}, which Kelp does not read"):
        select_files(ingest_spec(path))


def test_a_file_a_folder_and_a_glob(tmp_path: Path) -> None:
    write(tmp_path / "one.csv")
    write(tmp_path / "deep" / "two.CSV")
    write(tmp_path / "digest", "not data")
    write(tmp_path / ".hidden.csv")
    write(tmp_path / "_started" / "three.csv")
    assert names(ingest_spec(tmp_path / "one.csv"), tmp_path) == ["one.csv"]
    assert names(ingest_spec(tmp_path), tmp_path) == ["deep/two.CSV", "one.csv"]
    assert names(ingest_spec(tmp_path / "o?e.*"), tmp_path) == ["one.csv"]
    assert names(ingest_spec(f"{tmp_path}/**/[t]*.CSV"), tmp_path) == ["deep/two.CSV"]


def test_brackets_in_a_real_name_are_no_glob(tmp_path: Path) -> None:
    write(tmp_path / "run [1].csv")
    assert names(ingest_spec(tmp_path / "run [1].csv"), tmp_path) == ["run [1].csv"]


def test_spans_are_numbers_not_text(tmp_path: Path) -> None:
    for span in (1, 2, 10):
        write(tmp_path / f"span-{span}" / "data.csv")
    write(tmp_path / "span-x" / "data.csv")
    spec = ingest_spec(tmp_path / "span-{SPAN}", spans="last 2")
    assert names(spec, tmp_path) == ["span-2/data.csv", "span-10/data.csv"]
    assert select_files(spec).newest_span == 10


def test_of_a_span_the_newest_version_is_taken(tmp_path: Path) -> None:
    for name in ("s01/v1.csv", "s01/v3.csv", "s02/v2.csv"):
        write(tmp_path / name)
    spec = ingest_spec(tmp_path / "s{SPAN:2}" / "v{VERSION}.csv")
    assert names(spec, tmp_path) == ["s01/v3.csv", "s02/v2.csv"]


def test_a_width_binds(tmp_path: Path) -> None:
    write(tmp_path / "s1.csv")
    write(tmp_path / "s01.csv")
    assert names(ingest_spec(tmp_path / "s{SPAN:2}.csv"), tmp_path) == ["s01.csv"]


def test_a_repeated_placeholder_matches_the_same(tmp_path: Path) -> None:
    write(tmp_path / "1" / "day-1.csv")
    write(tmp_path / "1" / "day-2.csv")
    assert names(ingest_spec(tmp_path / "{SPAN}" / "day-{SPAN}.csv"), tmp_path) == ["1/day-1.csv"]


def test_a_missing_path_is_named_with_its_key_and_a_near_one(tmp_path: Path) -> None:
    write(tmp_path / "flights.csv")
    with pytest.raises(DataError) as caught:
        select_files(ingest_spec(tmp_path / "flihgts.csv"))
    text = str(caught.value)
    assert "data.path" in text
    assert "configs/mine.yaml" in text
    assert "flights.csv?" in text


def test_a_folder_without_data_says_what_it_looked_for(tmp_path: Path) -> None:
    write(tmp_path / "readme.txt")
    with pytest.raises(DataError, match="holds no CSV or Parquet"):
        select_files(ingest_spec(tmp_path))


def test_a_span_that_does_not_exist_lists_those_that_do(tmp_path: Path) -> None:
    for span in (1, 2, 3, 7):
        write(tmp_path / f"{span}.csv")
    with pytest.raises(DataError) as caught:
        select_files(ingest_spec(tmp_path / "{SPAN}.csv", spans="4-6"))
    assert "1-3, 7" in caught.value.expected
    assert "data.spans" in caught.value.where


def test_spans_need_a_placeholder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \{SPAN\}"):
        select_files(ingest_spec(write(tmp_path / "a.csv"), spans="3"))


def test_mixed_formats_are_refused_unless_one_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="both CSV and Parquet"):
        select_files(ingest_spec(tmp_path))
    assert names(ingest_spec(tmp_path, file_format="csv"), tmp_path) == ["a.csv"]


def test_a_file_without_a_known_suffix_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"PAR1....")
    assert select_files(ingest_spec(tmp_path / "data")).format == "parquet"
    assert select_files(ingest_spec(write(tmp_path / "table.txt"))).format == "csv"


def test_the_fingerprint_is_of_content_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv")
    write(tmp_path / "b.csv", "a,y\n2,1\n")
    spec = ingest_spec(tmp_path)
    before = fingerprint(select_files(spec), spec)
    os.utime(file, (1, 1))
    assert fingerprint(select_files(spec), spec) == before
    file.rename(tmp_path / "z.csv")
    assert fingerprint(select_files(spec), spec) == before
    write(tmp_path / "z.csv", "a,y\n1,1\n")
    assert fingerprint(select_files(spec), spec) != before


def test_the_fingerprint_tells_spans_apart(tmp_path: Path) -> None:
    write(tmp_path / "1.csv")
    spec = ingest_spec(tmp_path / "{SPAN}.csv")
    before = fingerprint(select_files(spec), spec)
    (tmp_path / "1.csv").rename(tmp_path / "2.csv")
    assert fingerprint(select_files(spec), spec) != before
