"""TFX's file operations on artifacts in a bucket.

TFX's drivers make, look for and remove the folders of artifacts by `tfx.dsl.io.fileio`. In a
bucket nothing is made, and a folder is there once it was published. What TFX keeps for
itself while a node runs (`.system`) stays on this machine.
"""

from __future__ import annotations

import shutil

from tfx.dsl.io import filesystem, filesystem_registry

from contracts.storage.folders import read_marker, remove_published
from contracts.storage.location import SCHEMES, parse_location
from contracts.storage.staging import local_place

_OWN = "/.system/"
# TensorFlow's plugin, which knows no S3, has 10.
_PRIORITY = 1


class BucketFiles(filesystem.Filesystem):
    """What TFX's orchestration asks of a place in a bucket."""

    SUPPORTED_SCHEMES = [f"{scheme}://" for scheme in SCHEMES]

    @staticmethod
    def exists(path: str) -> bool:
        """Whether an artifact's folder is published."""
        if _OWN in path:
            return local_place(path).exists()
        return read_marker(parse_location(path)) is not None

    @staticmethod
    def isdir(path: str) -> bool:
        """Always: artifacts are folders, also one that was published by half."""
        return bool(path)

    @staticmethod
    def makedirs(path: str) -> None:
        """Makes the local folder; a bucket needs none."""
        local_place(path).mkdir(parents=True, exist_ok=True)

    @staticmethod
    def mkdir(path: str) -> None:
        """Likewise."""
        BucketFiles.makedirs(path)

    @staticmethod
    def rmtree(path: str) -> None:
        """Removes the folder, and its local copy."""
        if _OWN not in path:
            remove_published(parse_location(path))
        shutil.rmtree(local_place(path), ignore_errors=True)


def register_bucket_files() -> None:
    """Lets TFX use buckets from now on."""
    registry = filesystem_registry.DEFAULT_FILESYSTEM_REGISTRY
    if registry._preferred_filesystem_by_scheme.get("s3://") is not BucketFiles:
        registry.register(BucketFiles, priority=_PRIORITY)
