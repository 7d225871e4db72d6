"""The keys of `beam`: one model for each runner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Self

from contracts.spec import Spec

_ADDRESS = r"^[A-Za-z0-9._-]+:\d{1,5}$"
_FLINK_MASTER = r"^(\[local\]|(https?://)?[A-Za-z0-9._-]+:\d{1,5})$"
_SPARK_MASTER = r"^(local|local\[(\d+|\*)\]|spark://[A-Za-z0-9._-]+:\d{1,5})$"
_IN_JOB_SERVER = r"\[local\]|local(\[|$)"
_LOOPBACK_HOST = re.compile(r"^([a-z]+://)?(localhost|127\.[0-9.]+):\d+$")

FLINK_VERSIONS = ("1.19", "1.20", "2.0", "2.1", "2.2")


class LocalBeam(Spec):
    """In the process of the component."""

    runner: Literal["local"] = "local"


class LoopbackWorkers(Spec):
    """The process of the component does the work: the cluster must be on the same machine."""

    type: Literal["LOOPBACK"]


class ProcessWorkers(Spec):
    """Each node of the cluster starts a command, with this package installed there."""

    type: Literal["PROCESS"]
    command: str = Field(min_length=1)
    variables: dict[str, str] = {}

    @model_validator(mode="after")
    def _variables_fit(self) -> ProcessWorkers:
        wrong = next(
            (v for pair in self.variables.items() for v in pair if re.search("[,=]", v)), None
        )
        if wrong is not None:
            raise ValueError(f"Beam separates variables by , and =, and {wrong!r} has one of them")
        return self


class ExternalWorkers(Spec):
    """A pool of workers that was started beside each node of the cluster."""

    type: Literal["EXTERNAL"]
    address: str = Field(pattern=_ADDRESS)


class DockerWorkers(Spec):
    """Each node of the cluster starts a container with this package in it."""

    type: Literal["DOCKER"]
    image: str = Field(min_length=1)


Workers = Annotated[
    Union[LoopbackWorkers, ProcessWorkers, ExternalWorkers, DockerWorkers],
    Field(discriminator="type"),
]


class JobServerSpec(Spec):
    """Beam's job server, which translates a pipeline for the cluster.

    Attributes:
      jar: Its file; the one that `kelp beam fetch` writes where not given.
      sha256: What the file must have.
      endpoint: A job server that runs already; none is started then.
      java: The command that starts it.
      memory_mib: The largest heap of its process. A local master runs in it too.
    """

    jar: str | None = Field(None, min_length=1)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    endpoint: str | None = Field(None, pattern=_ADDRESS)
    java: str = Field("java", min_length=1)
    memory_mib: int | None = Field(None, ge=128)

    @model_validator(mode="after")
    def _started_or_running(self) -> JobServerSpec:
        if self.endpoint is not None and (self.jar is not None or self.sha256 is not None):
            raise ValueError("a job server at an endpoint runs already and takes no jar")
        return self


class _OnCluster(Spec):
    """What the runners with a job server have in common.

    Attributes:
      master: Where the cluster is.
      job_server: Beam's job server.
      environment: What does the work; LOOPBACK where the master is on this machine.
      workers_per_node: How many processes do the work on each node of the cluster.
    """

    job_server: JobServerSpec = JobServerSpec()
    environment: Workers = LoopbackWorkers(type="LOOPBACK")
    workers_per_node: int = Field(1, ge=1)

    master: str

    @property
    def is_local(self) -> bool:
        """Whether the cluster is part of the job server."""
        return re.match(_IN_JOB_SERVER, self.master) is not None

    @property
    def is_here(self) -> bool:
        """Whether the cluster is on this machine."""
        return self.is_local or bool(_LOOPBACK_HOST.match(self.master))

    @model_validator(mode="after")
    def _workers_are_reachable(self) -> Self:
        if self.environment.type == "LOOPBACK" and not self.is_here:
            raise ValueError(
                f"LOOPBACK workers run on this machine, where {self.master} cannot reach them: "
                "set environment to PROCESS, EXTERNAL or DOCKER"
            )
        return self


def _as_text(value: Any) -> Any:
    """YAML reads 1.20 as the number 1.2, which is no version of Flink."""
    return {"1.2": "1.20"}.get(str(value), str(value)) if isinstance(value, float) else value


class FlinkBeam(_OnCluster):
    """On Apache Flink.

    Attributes:
      master: `[local]` for a cluster inside the job server, or the address of Flink's REST API.
      version: Flink's version, for which the job server is made.
      parallelism: Into how many parts the work is cut; Flink's own default where not given.
    """

    runner: Literal["flink"]
    master: str = Field("[local]", pattern=_FLINK_MASTER)
    version: Annotated[Literal["1.19", "1.20", "2.0", "2.1", "2.2"], BeforeValidator(_as_text)] = (
        "1.20"
    )
    parallelism: int | None = Field(None, ge=1)


class SparkBeam(_OnCluster):
    """On Apache Spark 3.

    Attributes:
      master: `local[N]` for a cluster inside the job server, or `spark://host:port`.
      version: Spark's major version; Beam has a job server for 3 alone.
    """

    runner: Literal["spark"]
    master: str = Field("local[2]", pattern=_SPARK_MASTER)
    version: Literal["3"] = "3"


class DataflowBeam(Spec):
    """On Google Cloud Dataflow.

    Attributes:
      project: The project that pays.
      region: Where the workers are.
      temp_location: A folder of a bucket for Beam's own temporary files.
      staging_location: A folder for what workers load; inside `temp_location` where not given.
      image: The container of the workers, with this package in it.
      machine_type: Of the workers, such as n2-standard-4.
      disk_gib: The disk of each worker.
      workers: How many workers at first; Dataflow decides where not given.
      max_workers: How many at most.
      service_account: As whom the workers work.
      network: Where they are connected.
      subnetwork: The part of it.
      public_ips: Whether workers have public addresses.
    """

    runner: Literal["dataflow"]
    project: str = Field(min_length=1)
    region: str = Field(min_length=1)
    temp_location: str = Field(pattern=r"^gs://[^/]+(/.*)?$")
    staging_location: str | None = Field(None, pattern=r"^gs://[^/]+(/.*)?$")
    image: str = Field(min_length=1)
    machine_type: str | None = Field(None, min_length=1)
    disk_gib: int | None = Field(None, ge=10)
    workers: int | None = Field(None, ge=1)
    max_workers: int | None = Field(None, ge=1)
    service_account: str | None = Field(None, min_length=1)
    network: str | None = Field(None, min_length=1)
    subnetwork: str | None = Field(None, min_length=1)
    public_ips: bool = True

    @model_validator(mode="after")
    def _workers_fit(self) -> DataflowBeam:
        if self.workers and self.max_workers and self.workers > self.max_workers:
            raise ValueError(
                f"{self.workers} workers are more than max_workers, {self.max_workers}"
            )
        return self


ClusterBeam = Union[FlinkBeam, SparkBeam]


def _with_runner(value: Any) -> Any:
    """A discriminator has no default of its own."""
    if isinstance(value, Mapping) and "runner" not in value:
        return {"runner": "local", **value}
    return value


BeamSpec = Annotated[
    Annotated[Union[LocalBeam, FlinkBeam, SparkBeam, DataflowBeam], Field(discriminator="runner")],
    BeforeValidator(_with_runner),
]
