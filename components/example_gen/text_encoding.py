"""Encodings of text files: which one a file has, and where it breaks one."""

from __future__ import annotations

import codecs
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from contracts.errors import DataError
from contracts.storage.objects import open_stream

UTF8 = "utf-8"
_CHUNK_BYTES = 4 << 20
_LOOKED_AT_BYTES = 512 << 20
_HEAD_BYTES = 4096
# The longer marks first: UTF-32's begins as UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Encoding:
    """An encoding, and what shows it; nothing for UTF-8."""

    name: str
    reason: str = ""


def likely_encoding(path: str) -> Encoding:
    """Finds out a file's encoding from its own bytes; it may be compressed."""
    with open_stream(path) as file:
        head = bytes(file.read(_HEAD_BYTES))
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name) if name == UTF8 else Encoding(name, "its byte order mark")
    if b"\0" in head:
        high = head[::2].count(0) > head[1::2].count(0)
        return Encoding("utf-16-be" if high else "utf-16-le", "every other byte is 0")
    broken = first_undecodable(path, UTF8)
    if broken is None:
        return Encoding(UTF8)
    offset, byte = broken
    reason = f"byte 0x{byte:02X} at offset {offset} is not UTF-8"
    name = "cp1252" if first_undecodable(path, "cp1252") is None else "latin-1"
    return Encoding(codecs.lookup(name).name, reason)


def first_undecodable(path: str, encoding: str) -> tuple[int, int] | None:
    """Gives the offset and the value of the first byte that is not text in an encoding.

    Args:
      path: A file; the offset in a compressed one is that in its content. No more than its
        first half gigabyte is looked at.
      encoding: Any that Python knows.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    with open_stream(path) as file:
        while offset < _LOOKED_AT_BYTES:
            chunk = bytes(file.read(_CHUNK_BYTES))
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # The decoder had kept the beginning of a character from the chunk before.
                kept = len(error.object) - len(chunk)
                return offset - kept + error.start, error.object[error.start]
            except UnicodeError:  # no byte order mark, where the encoding wants one
                return 0, chunk[0]
            offset += len(chunk)
            if not chunk:
                break
    return None


def wrong_encoding(path: str, encoding: str) -> DataError | None:
    """Explains that a file is of another encoding; None where it is not."""
    likely = likely_encoding(path)
    broken = first_undecodable(path, encoding)
    of_bytes = likely.name.startswith(("utf-16", "utf-32"))
    if broken is None and not (of_bytes and not encoding.startswith(("utf-16", "utf-32"))):
        return None
    offset, byte = broken or (0, 0)
    return DataError(
        f"{path} is not text in {encoding}",
        where=f"{path}, byte {offset}",
        expected=f"text in {encoding}, as data.encoding says",
        received=f"0x{byte:02X}" if broken else f"{likely.name}: {likely.reason}",
        fix=f"set data.encoding: {likely.name}, if that is what it is, or save the file as UTF-8",
    )


@contextmanager
def open_text(path: str, encoding: str) -> Iterator[IO[str]]:
    """Opens a file, which may be compressed, as lines of text; nothing in it is an error."""
    with open_stream(path) as file:
        yield io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="\n")


@contextmanager
def utf8_file(path: str, encoding: str, limit: int | None = None) -> Iterator[str]:
    """Gives a file whose text is UTF-8: the file itself, or a copy for as long as it is read.

    Arrow would call Python's codecs from threads of its own, which abort the process where
    they are still at it when Python ends.

    Args:
      path: The file, which may be compressed.
      encoding: The file's.
      limit: How many of its bytes to copy at most; None copies all.

    Raises:
      UnicodeError: The file is of another encoding.
    """
    if encoding == UTF8:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="kelp-", suffix=".csv") as copy:
        decoder = codecs.getincrementaldecoder(encoding)()
        left = limit
        with open_stream(path) as file:
            while chunk := bytes(file.read(_CHUNK_BYTES if left is None else left)):
                copy.write(decoder.decode(chunk).encode())
                left = None if left is None else left - len(chunk)
        if limit is None:
            copy.write(decoder.decode(b"", final=True).encode())
        copy.flush()
        yield copy.name
