"""Connections to buckets, made from the environment alone.

`pyarrow.fs` is part of Kelp already and has S3 and Google Cloud Storage built in: see
docs/decisions/0013-storage.md.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from contracts.errors import EnvironmentProblem
from contracts.storage.location import Location

_CONNECT_S = 5.0
_ANSWER_S = 10.0
_ATTEMPTS = 3
# Where no region is named, a server of one's own takes any.
_ANY_REGION = "us-east-1"


def connect(location: Location) -> Any:
    """Gives the `pyarrow.fs.FileSystem` of a place.

    A process that was forked from another gets a connection of its own.
    """
    return _connect(location.scheme, os.getpid(), *_environment(location.scheme))


def endpoint_of(scheme: str) -> str:
    """Gives the server that the environment names; empty for the public one."""
    if scheme == "s3":
        return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return os.environ.get("STORAGE_EMULATOR_HOST", "")


def _environment(scheme: str) -> tuple[str, ...]:
    """What a connection depends on; credentials are read by the library itself."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    keys = hash(tuple(os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", *_SECRETS)))
    return endpoint_of(scheme), region, str(keys)


_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS")


@lru_cache(maxsize=8)
def _connect(scheme: str, _process: int, endpoint: str, region: str, _keys: str) -> Any:
    return _connect_s3(endpoint, region) if scheme == "s3" else _connect_gs(endpoint)


def _connect_s3(endpoint: str, region: str) -> Any:
    from pyarrow import fs

    options: dict[str, Any] = {}
    if endpoint:
        options["scheme"], options["endpoint_override"] = _split_endpoint(endpoint)
    if region or endpoint:
        options["region"] = region or _ANY_REGION
    return fs.S3FileSystem(
        connect_timeout=_CONNECT_S,
        request_timeout=_ANSWER_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        background_writes=False,
        **options,
    )


def _connect_gs(endpoint: str) -> Any:
    from pyarrow import fs

    options: dict[str, Any] = {}
    if endpoint:
        scheme, host = _split_endpoint(endpoint)
        options = {"scheme": scheme, "endpoint_override": host, "anonymous": True}
    limit = timedelta(seconds=_CONNECT_S + _ANSWER_S)
    return fs.GcsFileSystem(retry_time_limit=limit, **options)


def _split_endpoint(endpoint: str) -> tuple[str, str]:
    """Gives scheme and host of `http://HOST:PORT`, or of `HOST:PORT` alone."""
    parts = urlsplit(endpoint if "//" in endpoint else f"http://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise EnvironmentProblem(
            "The endpoint of the object store is no address of a server.",
            where="the environment: AWS_ENDPOINT_URL or STORAGE_EMULATOR_HOST",
            expected="http://HOST:PORT or https://HOST, without credentials",
            fix="set it anew, or unset it to use the public endpoint",
        )
    return parts.scheme, parts.netloc
