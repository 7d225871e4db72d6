"""TFRecord files without TensorFlow.

Each record: its length (uint64, little endian), the masked CRC-32C of that, its bytes, and
theirs.
"""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from contracts.errors import DataError

_MASK = 0xA282EAD8
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEAD = _LENGTH.size + _CRC.size


def frame(record: bytes) -> bytes:
    """A record as it stands in a file."""
    length = _LENGTH.pack(len(record))
    return b"".join((length, _masked(length), record, _masked(record)))


def read_records(path: Path) -> Iterator[bytes]:
    """Reads the records of a file.

    Raises:
      DataError: the file cannot be read, or is not whole.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            while file.tell() < size:
                record = _next(file, size)
                if record is None:
                    raise DataError(
                        "A TFRecord file is broken.",
                        where=f"{path}, byte {file.tell()}",
                        expected="a whole record with its checksums",
                        received=f"{size} bytes in all",
                        fix="take another file of the log",
                    )
                yield record
    except OSError as error:
        raise DataError(
            "A TFRecord file cannot be read.", where=str(path), received=str(error)
        ) from error


def record_sizes(path: str) -> Iterator[int]:
    """Gives the bytes of each record of a gzip file; no checksum is looked at."""
    with gzip.open(path) as file:
        while head := file.read(_HEAD):
            (length,) = _LENGTH.unpack_from(head)
            file.seek(length + _CRC.size, os.SEEK_CUR)
            yield length


def whole_bytes(path: Path) -> int:
    """How many bytes of a file, from the first, are whole records."""
    size = path.stat().st_size
    with path.open("rb") as file:
        end = 0
        while end < size and _next(file, size) is not None:
            end = file.tell()
    return end


def _next(file: BinaryIO, size: int) -> bytes | None:
    """The next record; None where it is cut or broken."""
    head = file.read(_HEAD)
    if len(head) < _HEAD or head[_LENGTH.size :] != _masked(head[: _LENGTH.size]):
        return None
    (length,) = _LENGTH.unpack_from(head)
    if length + _CRC.size > size - file.tell():
        return None
    record, crc = file.read(length), file.read(_CRC.size)
    return record if crc == _masked(record) else None


def _masked(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return _CRC.pack(((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)
