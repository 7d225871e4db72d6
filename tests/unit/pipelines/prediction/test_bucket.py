"""Models and rows in a bucket, for the commands that predict and explain."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import ConfigError, DataError
from contracts.storage.folders import publish
from contracts.storage.location import parse_location
from pipelines.commands.predict import predict
from pipelines.prediction.raw_rows import open_rows
from pipelines.prediction.staged_model import staged_model
from tests.fixtures.object_store import ObjectStore


@pytest.fixture
def models(bucket: str, tmp_path: Path) -> str:
    """Two versions of a model, and one that was pushed by half."""
    folder = tmp_path / "version"
    (folder / "onnx").mkdir(parents=True)
    place = parse_location(f"s3://{bucket}/models/m")
    for version in ("2", "10"):
        (folder / "onnx" / "artifact.json").write_text(version)
        publish(folder, place / version)
    return str(place)


@pytest.mark.parametrize(("below", "found"), [("", "10/onnx"), ("/2", "2/onnx"), ("/2/onnx", "2")])
def test_a_model_is_a_version_a_variant_or_the_newest_version(
    below: str, found: str, models: str
) -> None:
    folder = Path(staged_model(f"{models}{below}"))
    inside = folder if below.endswith("onnx") else folder / "onnx"
    assert (inside / "artifact.json").read_text() == found.partition("/")[0]


def test_what_is_no_model_is_refused(models: str) -> None:
    assert staged_model("flights") == "flights"
    with pytest.raises(ConfigError, match="there is no model at"):
        staged_model(f"{models}/3/onnx")
    with pytest.raises(ConfigError, match="no address"):
        staged_model("s3://x")


def test_rows_of_an_object_are_read(bucket: str, object_store: ObjectStore) -> None:
    object_store.client().put_object(Bucket=bucket, Key="x.csv", Body=b"x,y\n1,a\n2,b\n")
    rows = open_rows(f"s3://{bucket}/x.csv", {"x": "number", "z": "text"})
    assert [table.to_pydict() for table in rows.tables()] == [{"x": [1.0, 2.0]}]
    assert rows.missing == ["z"]
    with pytest.raises(DataError, match="there is no file s3://"):
        open_rows(f"s3://{bucket}/y.csv", {"x": "number"})


def test_answers_are_written_to_local_files_only(models: str) -> None:
    with pytest.raises(ConfigError, match="a local file") as caught:
        predict(models, Path("x.csv"), Path("s3://bucket/answers.csv"), None)
    assert caught.value.received == "s3://bucket/answers.csv"
