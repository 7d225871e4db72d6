"""Golden rows survive their files to the last byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models.export import golden_answers
from models.export import saved_model_parity as parity
from models.export.golden_rows import (
    _packed,
    _unpacked,
    golden_columns,
    golden_outputs,
    write_golden,
)


def _text(*values: bytes) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def test_text_keeps_its_trailing_nuls(tmp_path: Path) -> None:
    town = _text(b"a\x00\x00", b"", b"\x00", b"Z\xc3\xbcrich")
    size = np.array([1.5, np.nan, 0, -1], np.float32)
    classes = _text(b"no\x00", b"no", b"yes", b"")
    write_golden(tmp_path, [b""] * 4, {"town": town, "file": size}, {"classes": classes})
    columns = golden_columns(tmp_path)
    assert set(columns) == {"town", "file"}
    assert columns["town"].tolist() == town.tolist()
    np.testing.assert_array_equal(columns["file"], size)
    assert golden_outputs(tmp_path)["classes"].tolist() == classes.tolist()


def test_a_class_that_ends_in_a_nul_is_another_one() -> None:
    expected, received = _text(b"no\x00", b"yes"), _text(b"no", b"yes")
    assert parity._wrong_classes(expected, expected.copy(), None, 1e-5) == 0
    assert parity._wrong_classes(expected, received, None, 1e-5) == 1


@given(st.lists(st.binary(max_size=6)))
def test_any_bytes_are_unpacked_as_they_were(values: list[bytes]) -> None:
    packed = _packed("x", _text(*values))
    text, lengths = packed["text/x"], packed["lengths/x"]
    assert _unpacked(text.tobytes(), lengths).tolist() == values


def test_of_large_rows_fewer_are_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for row in range(120):
            writer.write(bytes([row]) * 1000)
    assert len(golden_answers.golden_rows([file])) == 100
    monkeypatch.setattr(golden_answers, "_GOLDEN_BYTES", 20_500)
    assert [row[0] for row in golden_answers.golden_rows([file])] == list(range(20))
    monkeypatch.setattr(golden_answers, "_GOLDEN_BYTES", 1)
    assert len(golden_answers.golden_rows([file])) == 8
