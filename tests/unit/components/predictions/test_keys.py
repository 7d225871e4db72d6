"""Which columns are written beside the predictions."""

from __future__ import annotations

import pyarrow as pa

from components.predictions.keys import KeysSpec, add_figures, slice_keys
from models.features.spec import FeaturesSpec

TABLE = pa.table(
    {
        "id": [f"row {place}" for place in range(40)],
        "sentence": ["the same"] * 3 + [f"another {place}" for place in range(37)],
        "carrier": ["A", "B", None, "C"] * 10,
        "none": pa.nulls(40, pa.string()),
        "distance": [float(place) for place in range(40)],
    }
)


def test_a_search_gets_what_can_make_a_slice() -> None:
    assert slice_keys(TABLE, KeysSpec(min_rows=10)).column_names == ["carrier", "none", "distance"]
    assert "sentence" in slice_keys(TABLE, KeysSpec(min_rows=3)).column_names


def test_without_a_search_only_what_is_named_is_kept() -> None:
    spec = KeysSpec(named=("id", "distance", "absent"), search=False)
    assert slice_keys(TABLE, spec).equals(TABLE.select(["id", "distance"]))
    assert slice_keys(TABLE, KeysSpec(search=False)).column_names == []


def test_an_id_that_is_named_is_kept_beside_a_search() -> None:
    kept = slice_keys(TABLE, KeysSpec(named=("id",), min_rows=10))
    assert kept.column_names == ["id", "carrier", "none", "distance"]


def test_no_rows_make_no_slices_of_text() -> None:
    assert slice_keys(TABLE.slice(0, 0), KeysSpec()).column_names == ["distance"]


REVIEWS = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "late"},
        "features": {"sentence": {"type": "text"}, "distance": {"type": "numeric"}},
    }
)


def test_figures_take_the_place_of_texts() -> None:
    kept = add_figures(TABLE, REVIEWS, KeysSpec(left_out=("sentence",)))
    assert kept.column_names == ["id", "carrier", "none", "distance", "sentence_words"]
    assert kept["sentence_words"].to_pylist() == [2] * 40


def test_without_a_search_only_the_figures_that_are_named_are_computed() -> None:
    left_out = ("sentence",)
    kept = add_figures(TABLE, REVIEWS, KeysSpec(left_out=left_out, search=False))
    assert "sentence_words" not in kept.column_names
    named = ("sentence", "sentence_words")
    kept = add_figures(TABLE, REVIEWS, KeysSpec(left_out=left_out, search=False, named=named))
    assert set(named) <= set(kept.column_names)


def test_a_raw_column_stands_for_itself_where_a_figure_has_its_name() -> None:
    own = TABLE.append_column("sentence_words", pa.array(range(40)))
    kept = add_figures(own, REVIEWS, KeysSpec())
    assert kept["sentence_words"].to_pylist() == list(range(40))
