"""What an artifact weighs."""

from __future__ import annotations

import gzip
from pathlib import Path

_MTIME = 0  # so that equal files pack to equal bytes


def measured_bytes(artifact: Path) -> dict[str, int]:
    """Bytes on disk and gzipped, of a file or of all files in a folder."""
    files = [artifact] if artifact.is_file() else sorted(artifact.rglob("*"))
    contents = [file.read_bytes() for file in files if file.is_file()]
    return {
        "bytes": sum(map(len, contents)),
        "gzip_bytes": sum(len(gzip.compress(content, 9, mtime=_MTIME)) for content in contents),
    }
