"""A fingerprint of the raw data's content: what a cached run must not miss."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from components.example_gen.files import Selection, Source
from contracts.errors import EnvironmentProblem
from contracts.storage.errors import storage_problem, without_secrets
from contracts.storage.location import is_remote, parse_location
from contracts.storage.objects import open_stream

_CHUNK = 1 << 20


def fingerprint(selection: Selection) -> str:
    """Digests the bytes of all files with their spans.

    Neither names nor times of change count: a file that is only touched or renamed leaves
    the data, and so the fingerprint, as they were.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        digests = pool.map(_digest, selection.sources)
        parts = sorted(
            f"{source.span}:{digest}"
            for source, digest in zip(selection.sources, digests, strict=True)
        )
    whole = hashlib.sha256("\n".join([selection.format, *parts]).encode())
    return whole.hexdigest()


def _digest(source: Source) -> str:
    digest = hashlib.sha256()
    try:
        with open_stream(source.path, compression=None) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        if is_remote(source.path):
            place = parse_location(source.path)
            raise storage_problem(place, error) from without_secrets(error)
        raise EnvironmentProblem(
            f"cannot read {source.path}: {error.strerror}", where=source.path
        ) from error
    return digest.hexdigest()
