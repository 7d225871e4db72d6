import os
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from components.example_gen import image_files
from components.example_gen.config import IngestSpec
from components.example_gen.files import select_files
from components.example_gen.fingerprint import fingerprint
from components.example_gen.rows import make_units, read_unit
from components.example_gen.scan import merge_kinds, scan_file
from contracts.errors import ConfigError, DataError, EnvironmentProblem, KelpError
from tests.fixtures.ingest import ingest_spec

PNG = b"\x89PNG\r\n\x1a\n"
PATHS = ("cat/b.png", "cat/a.JPG", "dog/deep/c.gif")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in PATHS:
        file = tmp_path / "photos" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(PNG + path.encode())
    (tmp_path / "photos" / "cat" / ".hidden.png").write_bytes(PNG)
    (tmp_path / "photos" / "digest.json").write_text("{}")
    return tmp_path / "photos"


def image_spec(path: Path, **changes: object) -> IngestSpec:
    fields = {"columns": ("photo", "y"), "numbers": (), "files": ("photo",), **changes}
    return ingest_spec(path).model_copy(update=fields)


def rows_of(spec: IngestSpec) -> dict[str, list]:
    selection = select_files(spec)
    scans = [scan_file(source.path, selection.format, spec) for source in selection.sources]
    found = merge_kinds(scans, spec)
    units = make_units(scans, [0] * len(scans))
    batches = [columns for unit in units for _, _, columns in read_unit(unit, spec, found)]
    return {name: [v for batch in batches for v in batch[name].to_pylist()] for name in found}


def test_a_folder_of_class_folders_gives_images_classes_and_paths(folder: Path) -> None:
    rows = rows_of(image_spec(folder, columns=("photo", "y", "path")))
    assert rows["path"] == [path.encode() for path in sorted(PATHS)]
    assert rows["y"] == [b"cat", b"cat", b"dog"]
    assert rows["photo"] == [PNG + path.encode() for path in sorted(PATHS)]


@pytest.mark.parametrize("kept", [PATHS, ()])
def test_images_that_no_model_can_decode_are_refused_by_name(
    folder: Path, kept: tuple[str, ...]
) -> None:
    for name in ("cat/x.webp", "dog/y.TIFF"):
        (folder / name).write_bytes(b"RIFF")
    for path in set(PATHS) - set(kept):
        (folder / path).unlink()
    assert image_files.holds_images(folder)
    with pytest.raises(DataError, match=f"2 of {len(kept) + 2} images are in formats") as caught:
        image_files.class_files(str(folder))
    assert caught.value.received == "cat/x.webp, dog/y.TIFF"


def test_class_folders_with_numbers_as_names_are_numbers(tmp_path: Path) -> None:
    for digit in ("0", "1"):
        (tmp_path / digit).mkdir()
        (tmp_path / digit / "x.png").write_bytes(PNG)
    assert rows_of(image_spec(tmp_path))["y"] == [0, 1]


def test_a_folder_is_read_in_pieces_and_small_batches(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows_of(image_spec(folder))
    monkeypatch.setattr(image_files, "PIECE_FILES", 2)
    monkeypatch.setattr("components.example_gen.scan.PIECE_FILES", 2)
    monkeypatch.setattr(image_files, "_BATCH_BYTES", 10)
    assert rows_of(image_spec(folder)) == whole


def test_a_batch_is_cut_by_the_bytes_of_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "_BATCH_BYTES", 10)
    values = pa.array([b"x" * 6, b"x" * 6, None, b"x" * 25, b"x"], pa.binary())
    batch = pa.record_batch([values], names=["photo"])
    parts = list(image_files.small_batches(batch, "table.parquet", ["photo"]))
    assert [part.num_rows for part in parts] == [2, 2, 1]
    assert pa.Table.from_batches(parts).column(0).to_pylist() == values.to_pylist()
    assert list(image_files.small_batches(batch.slice(0, 0), "table.parquet", ["photo"])) == []


def test_a_column_of_paths_or_of_bytes_gives_the_bytes(folder: Path) -> None:
    paths = ["photos/cat/b.png", str(folder / "dog/deep/c.gif"), None]
    contents = [PNG + b"cat/b.png", PNG + b"dog/deep/c.gif", None]
    of_paths = pa.table({"photo": pa.array(paths), "y": [0, 1, 1]})
    of_bytes = pa.table({"photo": pa.array(contents, pa.binary()), "y": [0, 1, 1]})
    table = folder.parent / "table.csv"
    pa_csv.write_csv(of_paths, table)
    pq.write_table(of_paths, folder.parent / "paths.parquet")
    pq.write_table(of_bytes, folder.parent / "bytes.parquet")
    for name in ("table.csv", "paths.parquet", "bytes.parquet"):
        assert rows_of(image_spec(folder.parent / name))["photo"] == contents, name


def test_paths_are_kept_beside_the_images_as_the_table_has_them(folder: Path) -> None:
    paths = ["photos/cat/b.png", str(folder / "dog/deep/c.gif"), None]
    tables = {
        "paths.csv": pa.array(paths),
        "paths.parquet": pa.array(paths).dictionary_encode(),
        "bytes.parquet": pa.array([PNG, PNG, None], pa.binary()),
    }
    spec = {"columns": ("photo", "y", "photo_path"), "paths": ("photo",), "kept": ("photo_path",)}
    for name, photos in tables.items():
        table = pa.table({"photo": photos, "y": [0, 1, 1]})
        write = pa_csv.write_csv if name.endswith("csv") else pq.write_table
        write(table, folder.parent / name)
        rows = rows_of(image_spec(folder.parent / name, **spec))
        kept = [None if path is None else path.encode() for path in paths]
        assert rows["photo_path"] == ([None] * 3 if name == "bytes.parquet" else kept), name
    rows = rows_of(image_spec(folder, **spec))
    assert rows["photo_path"] == [path.encode() for path in sorted(PATHS)]


def test_a_file_that_is_missing_is_named_with_its_row(folder: Path) -> None:
    table = folder.parent / "table.csv"
    table.write_text("photo,y\nphotos/cat/b.png,0\nphotos/cat/lost.png,1\n")
    with pytest.raises(DataError) as caught:
        rows_of(image_spec(table))
    assert "photos/cat/lost.png" in caught.value.what
    assert caught.value.where == f"{table}, row 2, column photo"


def test_an_empty_file_is_no_missing_image(folder: Path) -> None:
    (folder / "dog/b.png").touch()
    with pytest.raises(DataError, match=r"dog.b\.png cannot be read") as caught:
        rows_of(image_spec(folder))
    assert caught.value.received == "an empty file"


def test_a_path_that_no_file_can_have_is_named_with_its_row() -> None:
    with pytest.raises(DataError) as caught:
        image_files.file_contents(pa.array(["a\0.png"]), "table.csv", 6, "photo")
    assert caught.value.where == "table.csv, row 7, column photo"
    batch = pa.record_batch([pa.array(["a\0.png"])], names=["photo"])
    assert len(list(image_files.small_batches(batch, "table.csv", ["photo"]))) == 1


def test_class_folders_may_be_links(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "cat").symlink_to(folder / "cat")
    (linked / "dog").symlink_to(folder / "dog")
    (folder / "cat" / "again").symlink_to(linked)
    assert [path for _, path in image_files.class_files(str(linked))] == sorted(PATHS)


def test_a_class_folder_that_cannot_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(EnvironmentProblem, match="dog: Permission denied"):
        image_files.class_files(str(folder))


def test_the_fingerprint_sees_an_image_that_a_table_lists(folder: Path) -> None:
    table = folder.parent / "table.csv"
    table.write_text("photo,y\nphotos/cat/b.png,0\n")
    of_table, of_folder = image_spec(table), image_spec(folder)
    before = [fingerprint(select_files(spec), spec) for spec in (of_table, of_folder)]
    assert [fingerprint(select_files(spec), spec) for spec in (of_table, of_folder)] == before
    (folder / "cat/b.png").write_bytes(PNG + b"another")
    after = [fingerprint(select_files(spec), spec) for spec in (of_table, of_folder)]
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_the_fingerprint_sees_an_image_move_to_another_class(folder: Path) -> None:
    spec = image_spec(folder)
    before = fingerprint(select_files(spec), spec)
    (folder / "cat/b.png").rename(folder / "dog/b.png")
    assert fingerprint(select_files(spec), spec) != before


def test_a_folder_of_images_needs_one_image_in_the_config(folder: Path) -> None:
    for files in ((), ("photo", "other")):
        with pytest.raises(ConfigError, match="one column of images"):
            rows_of(image_spec(folder, files=files))


def test_lone_images_are_no_data(folder: Path) -> None:
    with pytest.raises(KelpError, match="nothing of their classes"):
        select_files(image_spec(folder / "cat" / "*.png"))


def test_a_table_beside_images_is_read_unless_images_are_asked_for(folder: Path) -> None:
    (folder / "table.csv").write_text("photo,y\ncat/b.png,0\n")
    assert select_files(image_spec(folder)).format == "csv"
    assert select_files(image_spec(folder, format="images")).format == "images"
