"""Encodings of CSV files: read, or refused with file, byte and fix."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen.config import RawFormat
from components.example_gen.reading import csv_batches, csv_header, place, quote_is_open
from components.example_gen.text_encoding import first_undecodable, likely_encoding
from contracts.errors import DataError

TEXT = "größe;x\nÄpfel;1\n" + "é;2\n" * 30
UTF16 = codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")


def rows(path: Path, encoding: str) -> list[dict[str, list[str]]]:
    raw = RawFormat(delimiter=";", encoding=encoding)
    names = csv_header(str(path), raw)
    return [batch.to_pydict() for batch in csv_batches(str(path), names, raw)]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("cp1252"), "cp1252"),
        (UTF16, "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-32"), "utf-32"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_encoding_is_recognised_and_read(
    tmp_path: Path, content: bytes, encoding: str, compressed: bool
) -> None:
    path = tmp_path / ("a.csv.gz" if compressed else "a.csv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    found = likely_encoding(str(path))
    assert found.name == encoding
    assert bool(found.reason) == (encoding != "utf-8")
    assert rows(path, encoding) == [
        {"größe": ["Äpfel", *["é"] * 30], "x": ["1", *["2"] * 30]},
    ]


@pytest.mark.parametrize(
    ("content", "encoding", "offset", "fix"),
    [
        (TEXT.encode("cp1252"), "utf-8", 2, "data.encoding: cp1252"),
        (b"x;y\n" + b"1;2\n" * 9 + b"\xe9;3\n", "utf-8", 40, "data.encoding: cp1252"),
        (b"x;y\n" + b"1;2\n" * 9 + b"\xe9;3;4\n", "utf-8", 40, "data.encoding: cp1252"),
        (b"x;y\n\x81;3\n", "cp1252", 4, "data.encoding: iso8859-1"),
        (UTF16, "utf-8", 0, "data.encoding: utf-16"),
        (UTF16, "cp1252", 0, "data.encoding: utf-16"),
        (TEXT.encode(), "utf-16", 0, "data.encoding: utf-8"),
    ],
)
def test_another_encoding_is_refused_with_file_byte_and_fix(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    encoding: str,
    offset: int,
    fix: str,
) -> None:
    tracebacks: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", tracebacks.append)
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        rows(path, encoding)
    assert caught.value.where == f"{path}, byte {offset}"
    assert fix in caught.value.fix
    assert len(caught.value.lines()) <= 10
    assert tracebacks == [], "Arrow prints what its callback raises"


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=30), st.binary(min_size=1, max_size=4), st.text(max_size=30))
def test_the_first_undecodable_byte_is_the_decoder_s(
    tmp_path_factory: pytest.TempPathFactory, before: str, broken: bytes, after: str
) -> None:
    content = before.encode() + broken + after.encode()
    path = tmp_path_factory.mktemp("x") / "a"
    path.write_bytes(content)
    wanted = None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        wanted = (error.start, content[error.start])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.example_gen.text_encoding._CHUNK_BYTES", 3)
        assert first_undecodable(str(path), "utf-8") == wanted


def test_places_are_found_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('x;y\n1;é\n2;"open\n'.encode("utf-16"))
    assert place(str(path), 1, "é", "utf-16") == f"{path}, line 2"
    assert place(str(path), 1, "è", "utf-16") == f"{path}, row 1"
    assert quote_is_open(str(path), "open\n", "utf-16")


@pytest.mark.parametrize("name", ["base64", "utf-9"])
def test_what_is_no_encoding_of_text_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no encoding"):
        RawFormat(encoding=name)
