"""The server's config: what to serve, within which limits; every key has a default."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from contracts import yaml
from contracts.errors import EnvironmentProblem
from contracts.spec import Spec
from contracts.storage.location import Place
from contracts.validation import validated
from serving.release.config import ReleaseSpec
from serving.request_log.config import RequestLogSpec
from serving.tls import TlsSpec

DEFAULT_FILE = Path("configs/serving.yaml")
MIB = 1024 * 1024


class PolicySpec(Spec):
    """Which of the versions in a model's folder are served.

    Attributes:
      kind: The newest ones, all of them, or just those named.
      count: How many of the newest.
      versions: The ones named.
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    count: int = Field(1, ge=1, le=100)
    versions: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.kind == "specific") != bool(self.versions):
            raise ValueError("versions belong to the policy specific, which needs them")
        return self


class BatchingSpec(Spec):
    """How requests that arrive together are answered together.

    Attributes:
      queue: Most requests waiting for one version; one more is answered 503.
      rows: Most rows in one call of the model.
      inline_rows: A batch of more rows leaves the event loop for a worker thread.
      inline_ms: So does one that is not known to take less than this.
    """

    queue: int = Field(1024, ge=1)
    rows: int = Field(1024, ge=1)
    inline_rows: int = Field(64, ge=0)
    inline_ms: float = Field(5.0, ge=0)


class ModelBatchingSpec(Spec):
    """How requests to one model are answered together, where not as `batching` has it.

    Attributes:
      queue: As in `batching`; None takes its value, as for the others.
      rows: Likewise.
      inline_rows: Likewise.
      inline_ms: Likewise.
    """

    queue: int | None = Field(None, ge=1)
    rows: int | None = Field(None, ge=1)
    inline_rows: int | None = Field(None, ge=0)
    inline_ms: float | None = Field(None, ge=0)


class ModelSpec(Spec):
    """What is special about one model.

    Attributes:
      policy: Which of its versions are served; None takes the server's policy.
      labels: Names for versions, such as `stable`.
      required: Whether the server is ready only while a version of it is available.
      batching: How its requests are answered together.
    """

    policy: PolicySpec | None = None
    labels: dict[str, int] = Field(default_factory=dict)
    required: bool = True
    batching: ModelBatchingSpec = ModelBatchingSpec()


class LimitsSpec(Spec):
    """What one client may ask of the server.

    Attributes:
      body_mib: Largest body, as it is sent.
      inflated_mib: Largest body after gzip.
      depth: Deepest nesting of a body.
      rows: Most rows in one request.
      concurrency: Most requests at once; one more is answered 429.
      connections: Most connections at once; one more is answered 503.
      header_kib: Most bytes in a request's line and headers.
      headers: Most headers.
      header_s: Seconds for the line and the headers to arrive.
      body_s: Seconds for the body to arrive.
      idle_s: Seconds that a connection may stay open without a request.
      deadline_s: Seconds for an answer; later is 504.
    """

    body_mib: float = Field(32.0, gt=0, le=1024)
    inflated_mib: float = Field(100.0, gt=0, le=4096)
    depth: int = Field(64, ge=4, le=200)
    rows: int = Field(100_000, ge=1)
    concurrency: int = Field(512, ge=1)
    connections: int = Field(1024, ge=1)
    header_kib: int = Field(32, ge=1)
    headers: int = Field(100, ge=1)
    header_s: float = Field(10.0, gt=0)
    body_s: float = Field(30.0, gt=0)
    idle_s: float = Field(75.0, gt=0)
    deadline_s: float = Field(30.0, gt=0)

    @property
    def body_bytes(self) -> int:
        """`body_mib` in bytes."""
        return int(self.body_mib * MIB)

    @property
    def inflated_bytes(self) -> int:
        """`inflated_mib` in bytes."""
        return int(self.inflated_mib * MIB)


class ShutdownSpec(Spec):
    """How the server goes.

    Attributes:
      unready_s: Seconds between not being ready any more and taking no new connection.
      drain_s: Most seconds that requests in flight get.
    """

    unready_s: float = Field(0.3, ge=0)
    drain_s: float = Field(30.0, ge=0)


class ServingSpec(Spec):
    """All of the server's config.

    Attributes:
      host: The address to listen on; loopback by default.
      port: The port; 0 takes a free one.
      grpc_port: The port of TensorFlow Serving's gRPC services; None has none.
      workers: Processes that serve; each has all models.
      models_root: SavedModels: `<root>/<name>/<version>/`; a folder, or a place in a bucket.
      artifacts: TFLite and ONNX files: `<artifacts>/<name>/<version>/<variant>/`.
      model_config_file: TensorFlow Serving's models.config; serves just what it names.
      poll_s: Seconds between two looks at the folders.
      policy: Which versions of a model are served.
      models: What is special about a model, by its name.
      batching: How requests are answered together.
      limits: What one client may ask.
      shutdown: How the server goes.
      request_log: What of the requests is kept.
      release: How a canary is watched.
      cors: Whether pages of any origin may ask, as TensorFlow Serving's
        `--enable_cors_support` has it.
      tls: The certificates for REST, gRPC and the proxy; None serves without TLS.
      api_key_env: The environment variable with the key that requests have to bring as
        `X-API-Key` or `Authorization: Bearer`; None asks for none.
    """

    host: str = "127.0.0.1"
    port: int = Field(8501, ge=0, le=65535)
    grpc_port: int | None = Field(None, ge=1, le=65535)
    workers: int = Field(1, ge=1, le=64)
    models_root: Place = "serving_models"
    artifacts: Place = "artifacts"
    model_config_file: str | None = None
    poll_s: float = Field(1.0, gt=0, le=3600)
    policy: PolicySpec = PolicySpec()
    models: dict[str, ModelSpec] = Field(default_factory=dict)
    batching: BatchingSpec = BatchingSpec()
    limits: LimitsSpec = LimitsSpec()
    shutdown: ShutdownSpec = ShutdownSpec()
    request_log: RequestLogSpec = RequestLogSpec()
    release: ReleaseSpec = ReleaseSpec()
    cors: bool = False
    tls: TlsSpec | None = None
    api_key_env: str | None = None

    @field_validator("models")
    @classmethod
    def _names(cls, models: dict[str, ModelSpec]) -> dict[str, ModelSpec]:
        for name in models:
            if not name or "/" in name or ":" in name:
                raise ValueError(f"{name!r} cannot be a model's name: no / and no : in it")
        return models

    @property
    def scheme(self) -> str:
        """How the address of the server begins."""
        return "https" if self.tls is not None else "http"

    @property
    def is_guarded(self) -> bool:
        """Whether only this machine can reach the server, or it knows who asks."""
        if self.api_key_env is not None:
            return True
        if self.tls is not None and self.tls.client_ca is not None:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def batching_of(self, name: str) -> BatchingSpec:
        """How requests to a model are answered together.

        Args:
          name: The model's name.
        """
        special = self.models.get(name, ModelSpec()).batching
        return self.batching.model_copy(update=special.model_dump(exclude_none=True))

    def api_key(self, environment: Mapping[str, str] | None = None) -> str | None:
        """The key that requests have to bring, if any.

        Raises:
          EnvironmentProblem: a key is asked for, and the environment has none.
        """
        if self.api_key_env is None:
            return None
        key = (os.environ if environment is None else environment).get(self.api_key_env, "")
        if not key:
            raise EnvironmentProblem(
                "The API key is not set.",
                where="key api_key_env",
                expected=f"the key in the environment variable {self.api_key_env}",
                received="nothing",
                fix=f"export {self.api_key_env}=..., or remove api_key_env from the config",
            )
        return key


def load_spec(path: Path | None, overrides: Mapping[str, Any] | None = None) -> ServingSpec:
    """Reads and validates the server's config.

    Args:
      path: A YAML file; None takes configs/serving.yaml where there is one, else defaults.
      overrides: Values from the command line, by key; None is not given.

    Raises:
      ConfigError: anything about it is wrong; file and key are named.
    """
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    otherwise = "leave --config out to take the defaults"
    document = yaml.parse("", "command line") if path is None else yaml.read(path, otherwise)
    value = document.mapping(", ".join(ServingSpec.model_fields))
    given = {key: one for key, one in (overrides or {}).items() if one is not None}
    for key, one in given.items():
        before = value.get(key)
        if isinstance(one, Mapping) and isinstance(before, Mapping):
            given[key] = {**before, **one}

    def place(key: yaml.KeyPath) -> str:
        is_given = bool(key) and key[0] in given
        return f"command line, key {yaml.dotted(key)}" if is_given else document.place(key)

    return validated(ServingSpec, {**value, **given}, place)
