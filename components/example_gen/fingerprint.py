"""A fingerprint of the raw data's content: what a cached run must not miss."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components.example_gen.config import IngestSpec
from components.example_gen.files import Selection, Source
from components.example_gen.image_files import class_files, place_of
from components.example_gen.listed_files import listed_files
from contracts.errors import EnvironmentProblem
from contracts.storage.errors import storage_problem, without_secrets
from contracts.storage.location import is_remote, parse_location
from contracts.storage.objects import open_stream

_CHUNK = 1 << 20


def fingerprint(selection: Selection, spec: IngestSpec) -> str:
    """Digests the bytes of all files with their spans, and those of the images that they list.

    Neither names nor times of change count: a file that is only touched or renamed leaves
    the data, and so the fingerprint, as they were. The names of class folders count.

    Args:
      selection: The files.
      spec: Says which columns hold images.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        digests = pool.map(lambda source: _digest_of(source, selection, spec), selection.sources)
        parts = sorted(
            f"{source.span}:{digest}"
            for source, digest in zip(selection.sources, digests, strict=True)
        )
    whole = hashlib.sha256("\n".join([selection.format, *parts]).encode())
    return whole.hexdigest()


def _digest_of(source: Source, selection: Selection, spec: IngestSpec) -> str:
    if selection.format == "images":
        return _of_all(
            f"{name}:{_digest(place_of(path, source.path))}"
            for name, path in class_files(source.path)
        )
    own = _digest(source.path)
    if not spec.files:
        return own
    listed = listed_files(source.path, selection.format, spec)
    # One that is missing is reported with its row, when the rows are read.
    present = (path for path in listed if is_remote(path) or Path(path).is_file())
    return _of_all([own, *map(_digest, present)])


def _of_all(digests: Iterator[str] | list[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open_stream(path, compression=None) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        if is_remote(path):
            place = parse_location(path)
            raise storage_problem(place, error) from without_secrets(error)
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror}", where=path) from error
    return digest.hexdigest()
