"""Raw data in a bucket are read as the same files on a disk are."""

from __future__ import annotations

import gzip
import traceback
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen.config import DataSpec
from components.example_gen.files import select_files
from components.example_gen.fingerprint import fingerprint
from components.example_gen.reading import _explained
from components.example_gen.rows import make_units, read_unit
from components.example_gen.scan import merge_kinds, scan_file
from contracts.errors import ConfigError, DataError
from contracts.storage.errors import StorageProblem
from tests.fixtures.ingest import ingest_spec

_CSV = "a,y\n" + "".join(f"{row},{row % 2}\n" for row in range(50))
_LATIN = "a;y\n1,5;Zürich\n2,5;Genève\n".encode("cp1252")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of all forms, hidden ones and spans."""
    root = tmp_path_factory.mktemp("tree")
    contents = {
        "plain/one.csv": _CSV.encode(),
        "plain/deep/two.csv": _CSV.encode(),
        "plain/.hidden.csv": b"no",
        "plain/_started/three.csv": b"no",
        "plain/notes.txt": b"no",
        "packed/data.csv.gz": gzip.compress(_CSV.encode(), mtime=0),
        "latin/data.csv": _LATIN,
        "odd/run [1] ü.csv": _CSV.encode(),
        "bare": _CSV.encode(),
        "photos/cat/1 %20 ü.png": b"one",
        "photos/cat/more/2.JPG": b"two",
        "photos/dog/3.jpeg": b"three",
        "photos/dog/.4.png": b"no",
        "photos/_dropped/5.png": b"no",
        "photos/read.me": b"no",
    }
    for span in (1, 2, 10):
        contents[f"spans/span-{span}/v-1/data.csv"] = b"a,y\n1,0\n"
        contents[f"spans/span-{span}/v-2/data.csv"] = b"a,y\n%d,1\n" % span
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    table = pa.table({"a": list(range(500)), "y": [0, 1] * 250})
    pq.write_table(table, root / "typed.parquet", row_group_size=100)
    return root


@pytest.fixture
def there(tree: Path, object_store, bucket) -> str:
    """The same tree in a bucket, with objects that stand for its folders."""
    client = object_store.client()
    for path in tree.rglob("*"):
        key = f"raw/{path.relative_to(tree).as_posix()}"
        if path.is_dir():
            client.put_object(Bucket=bucket, Key=f"{key}/", Body=b"")
        else:
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return f"s3://{bucket}/raw"


_PATTERNS = [
    ("plain", "all"),
    ("plain/one.csv", "all"),
    ("plain/o?e.*", "all"),
    ("plain/*.csv", "all"),
    ("**/two.csv", "all"),
    ("pl*", "all"),
    ("packed/*.gz", "all"),
    ("odd/run [1] ü.csv", "all"),
    ("bare", "all"),
    ("typed.parquet", "all"),
    ("spans/span-{SPAN}/v-{VERSION}", "all"),
    ("spans/span-{SPAN}/v-{VERSION}/data.csv", "last 2"),
    ("spans/span-{SPAN}", "2"),
    ("photos", "all"),
    ("phot*", "all"),
]


def test_the_same_files_are_selected_with_the_same_fingerprint(tree: Path, there: str) -> None:
    for pattern, spans in _PATTERNS:
        local = select_files(ingest_spec(tree / pattern, spans))
        remote = select_files(ingest_spec(f"{there}/{pattern}", spans))
        assert remote.format == local.format
        assert [
            (one.path.removeprefix(f"{there}/").rstrip("/"), one.span, one.version)
            for one in remote.sources
        ] == [
            (Path(one.path).relative_to(tree).as_posix(), one.span, one.version)
            for one in local.sources
        ], pattern
        if local.format == "images":
            assert remote.sources[0].path == f"{there}/photos/"
        assert fingerprint(remote, ingest_spec(there)) == fingerprint(local, ingest_spec(tree))


def _columns(path: str, **changes):
    spec = ingest_spec(path).model_copy(update=changes)
    selection = select_files(spec)
    scans = [scan_file(source.path, selection.format, spec) for source in selection.sources]
    kinds = merge_kinds(scans, spec)
    units = make_units(scans, [0] * len(scans))
    rows = [columns for unit in units for _, _, columns in read_unit(unit, spec, kinds)]
    return kinds, {name: [v for part in rows for v in part[name].to_pylist()] for name in kinds}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("plain", {}),
        ("packed/data.csv.gz", {}),
        ("typed.parquet", {}),
        ("photos", {"columns": ("image", "y", "path"), "files": ("image",), "numbers": ()}),
        ("latin/data.csv", {"encoding": "cp1252", "delimiter": ";", "decimal": ","}),
    ],
)
def test_the_same_rows_are_read(name: str, changes, tree: Path, there: str) -> None:
    assert _columns(f"{there}/{name}", **changes) == _columns(str(tree / name), **changes)


def test_a_broken_row_is_named_with_its_line(bucket, object_store) -> None:
    content = b"a,y\n1,0\n2,1,9\n"
    object_store.client().put_object(Bucket=bucket, Key="x.csv", Body=content)
    with pytest.raises(DataError, match="too many fields") as caught:
        _columns(f"s3://{bucket}/x.csv")
    assert caught.value.where == f"s3://{bucket}/x.csv, line 3"


def test_a_broken_parquet_file_is_no_fault_of_the_server(bucket, object_store) -> None:
    object_store.client().put_object(Bucket=bucket, Key="x.parquet", Body=b"PAR1 and no more")
    with pytest.raises(DataError, match="not a whole Parquet file"):
        _columns(f"s3://{bucket}/x.parquet")


def test_a_server_that_fails_while_a_file_is_read_is_no_fault_of_the_file(monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sEcReT/with+signs")
    raised = OSError("When reading x: AWS Error NETWORK_CONNECTION, sEcReT/with+signs")
    with (
        pytest.raises(StorageProblem, match="does not answer") as caught,
        _explained("s3://bucket/x.csv", "CSV", "utf-8"),
    ):
        raise raised
    assert "sEcReT" not in "".join(traceback.format_exception(caught.value))


def test_what_is_not_there_is_named(there: str) -> None:
    with pytest.raises(DataError, match="no object matches") as caught:
        select_files(ingest_spec(f"{there}/plain/on.csv"))
    assert caught.value.fix == f"did you mean {there}/plain/one.csv?"
    with pytest.raises(ConfigError, match="names image files") as lone:
        select_files(ingest_spec(f"{there}/photos/dog/3.jpeg"))
    assert lone.value.fix == f"data.path: {there}/photos"
    with pytest.raises(StorageProblem, match="no bucket 'not-there'"):
        select_files(ingest_spec("s3://not-there/plain"))


def test_a_folder_of_markers_alone_holds_no_data(bucket, object_store) -> None:
    object_store.client().put_object(Bucket=bucket, Key="data/", Body=b"")
    with pytest.raises(DataError, match="no object matches"):
        select_files(ingest_spec(f"s3://{bucket}/data"))


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="https: are not supported"):
        DataSpec(path="https://host/x.csv")
