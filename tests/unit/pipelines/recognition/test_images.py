import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import DataError
from pipelines.commands.init import write_config
from pipelines.config.problem import load_config
from pipelines.recognition.images import image_role
from tests.fixtures.pictures import encoded

GENERATOR = np.random.default_rng(5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for kind, mean in (("cat", 60), ("dog", 190)):
        for number in range(30):
            pixels = GENERATOR.normal(mean, 9, [200, 300, 3]).clip(0, 255).astype(np.uint8)
            path = tmp_path / f"photos/{kind}/{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(pixels, "JPEG"))
    return tmp_path


def test_a_folder_of_class_folders_becomes_a_config(folder: Path) -> None:
    config = load_config(write_config("pets", "photos", "pet")).config
    assert config.task == "binary"
    assert config.label.classes == ("cat", "dog")
    assert list(config.features) == ["image"]
    image = config.features["image"]
    assert image.shape == (85, 128, 3)
    assert config.data.split.by == "stratified"
    assert config.data.keep == ("path",)


def test_a_column_of_paths_or_of_bytes_is_an_image(folder: Path) -> None:
    paths = sorted(path.relative_to(folder) for path in folder.glob("photos/*/*.jpg"))
    columns = {
        "photo": [path.as_posix() for path in paths],
        "age": GENERATOR.normal(4, 1, len(paths)),
        "pet": [path.parts[1] for path in paths],
    }
    pq.write_table(pa.table(columns), folder / "paths.parquet")
    contents = pa.array([path.read_bytes() for path in paths], pa.binary())
    pq.write_table(pa.table({**columns, "photo": contents}), folder / "bytes.parquet")
    for name in ("paths", "bytes"):
        config = load_config(write_config(name, f"{name}.parquet", "pet")).config
        kinds = {feature: spec.type for feature, spec in config.features.items()}
        assert kinds == {"photo": "image", "age": "numeric"}, name
        assert config.features["photo"].channels == 3
        assert config.data.keep == (("photo",) if name == "paths" else ())


@pytest.mark.parametrize("kind", [pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())])
def test_bytes_of_any_type_are_images(folder: Path, kind: pa.DataType) -> None:
    photos = [path.read_bytes() for path in sorted(folder.glob("photos/*/*.jpg"))]
    columns = {
        "photo": pa.array(photos, pa.binary()).cast(kind),
        "digest": pa.array([photo[-40:] for photo in photos], pa.binary()).cast(kind),
        "pet": ["cat", "dog"] * 30,
    }
    pq.write_table(pa.table(columns), folder / "bytes.parquet")
    config = load_config(write_config("bytes", "bytes.parquet", "pet")).config
    assert list(config.features) == ["photo"]


def test_each_of_several_tables_names_images_beside_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(60):
        path = tmp_path / f"shop{number % 3}/{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(GENERATOR.integers(0, 256, [9, 7], np.uint8), "PNG"))
    for shop in range(3):
        numbers = range(shop, 60, 3)
        rows = {"photo": [f"{number}.png" for number in numbers]}
        rows["mark"] = [number % 2 for number in numbers]
        pq.write_table(pa.table(rows), tmp_path / f"shop{shop}/rows.parquet")
    config = load_config(write_config("shops", "shop*/rows.parquet", "mark")).config
    assert config.features["photo"].shape == (9, 7, 1)


def test_small_gray_images_keep_their_size(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(40):
        pixels = GENERATOR.integers(0, 256, [9, 7], np.uint8)
        path = tmp_path / f"marks/{number % 2}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(pixels, "PNG"))
    config = load_config(write_config("marks", "marks", "image")).config
    assert config.features["picture"].shape == (9, 7, 1)


def test_a_few_missing_or_broken_images_do_not_matter(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = GENERATOR.integers(0, 256, [50, 9, 7], np.uint8)
    files = [encoded(image, "PNG") for image in pixels]
    for number, content in enumerate(files):
        (tmp_path / f"{number}.png").write_bytes(content)
    paths = ["", *(f"{number}.png" for number in range(1, 50))]
    for name, column in (("paths", pa.array(paths)), ("bytes", pa.array([b"\xff", *files[1:]]))):
        labels = [number % 2 for number in range(50)]
        pq.write_table(pa.table({"photo": column, "mark": labels}), tmp_path / f"{name}.parquet")
        config = load_config(write_config(name, f"{name}.parquet", "mark")).config
        assert config.features["photo"].shape == (9, 7, 1)


def test_an_image_that_is_not_there_is_named_by_its_row(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.png").write_bytes(encoded(np.zeros([9, 7], np.uint8), "PNG"))
    (tmp_path / "299.png").unlink()
    paths = pa.array([None, *(f"{number}.png" for number in range(1, 300))])
    with pytest.raises(DataError) as caught:
        image_role("photo", paths, [str(tmp_path / "table.csv")])
    assert "299.png" in caught.value.what
    assert "row 300," in caught.value.where


def test_images_in_no_class_folder_are_named(folder: Path) -> None:
    (folder / "photos/cat/0.jpg").rename(folder / "photos/0.jpg")
    with pytest.raises(DataError, match="1 of 60 images are in no class folder") as caught:
        write_config("pets", "photos", "pet")
    assert caught.value.received == "0.jpg"


def test_folders_of_splits_are_no_classes(folder: Path) -> None:
    for split in ("train", "Test"):
        shutil.copytree(folder / "photos", folder / "data" / split)
    with pytest.raises(DataError, match="the folders Test, train are splits, not classes"):
        write_config("pets", "data", "pet")
    for split in ("train", "test"):
        (folder / "lone" / split).mkdir(parents=True)
        for photo in (folder / "photos/cat").iterdir():
            shutil.copy(photo, folder / "lone" / split)
    label = load_config(write_config("lone", "lone", "use")).config.label
    assert label.classes == ("test", "train")
