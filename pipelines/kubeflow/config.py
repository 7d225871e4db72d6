"""The part of the config that says how the pipeline runs on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Union
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from contracts.duration import Duration
from contracts.spec import Spec
from contracts.storage.location import parse_location

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"
_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_IMAGE = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$"


def _as_text(value: Any) -> Any:
    """`cpu: 2` is a number in YAML, and a quantity in Kubernetes."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else value


def without_credentials(host: str) -> str:
    """Refuses an address with a password: the config is kept with each run.

    Raises:
      ValueError: it has one.
    """
    if "@" in urlsplit(host if "://" in host else f"https://{host}").netloc:
        raise ValueError(
            "the address of Kubeflow holds credentials: remove them, and set the environment "
            "variable KELP_KUBEFLOW_TOKEN"
        )
    return host


Quantity = Annotated[str, BeforeValidator(_as_text), Field(pattern=_QUANTITY)]
ObjectName = Annotated[str, Field(pattern=_NAME)]


class VolumeStorage(Spec):
    """A persistent volume claim, mounted into every task.

    Attributes:
      claim: The claim. Nodes that run at once on several machines need ReadWriteMany.
      path: Where it is mounted; relative paths of the config lie in it.
    """

    kind: Literal["pvc"] = "pvc"
    claim: ObjectName = "kelp"
    path: str = Field("/mnt/kelp", pattern=r"^/[^\s]*[^\s/]$")


class BucketStorage(Spec):
    """A bucket: relative paths of the config lie below a root in it."""

    kind: Literal["bucket"] = "bucket"
    root: Annotated[str, AfterValidator(lambda root: str(parse_location(root)))]


class SecretSpec(Spec):
    """A secret of Kubernetes, whose keys become variables of the environment."""

    name: ObjectName
    env: dict[str, Annotated[str, Field(pattern=_VARIABLE)]] = Field(min_length=1)


class ResourcesSpec(Spec):
    """What a task asks the cluster for; what is not given comes from `kubeflow.resources`.

    Attributes:
      cpu: CPUs, such as 2 or 500m.
      memory: Such as 8Gi: the request, and the limit.
      gpu: How many GPUs.
      gpu_resource: The name of the GPUs' resource on the cluster.
      tpu: How many TPU chips; the node selector says which kind and topology.
      node_selector: Labels of the machines that may run it.
      retries: How often a task that failed is tried again.
      timeout: How long one try may take.
    """

    cpu: Quantity | None = None
    memory: Quantity | None = None
    gpu: int | None = Field(None, ge=0, le=64)
    gpu_resource: str = "nvidia.com/gpu"
    tpu: int | None = Field(None, ge=0, le=4096)
    node_selector: dict[str, str] | None = None
    retries: int | None = Field(None, ge=0, le=100)
    timeout: Duration | None = None

    @model_validator(mode="after")
    def _one_accelerator(self) -> ResourcesSpec:
        if self.gpu and self.tpu:
            raise ValueError("a task takes GPUs or TPUs, not both: remove gpu or tpu")
        if self.tpu and not self.node_selector:
            raise ValueError("tpu needs a node_selector with the accelerator and its topology")
        return self

    def over(self, default: ResourcesSpec) -> ResourcesSpec:
        """These resources, with those of `default` where nothing is given here."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        values = dict(default) | {name: value for name, value in given.items() if value is not None}
        if given.get("gpu"):
            values["tpu"] = None
        if given.get("tpu"):
            values["gpu"] = None
        return ResourcesSpec(**values)


DEFAULT_RESOURCES = ResourcesSpec(cpu="2", memory="8Gi", retries=2, timeout="12h")
Storage = Annotated[Union[VolumeStorage, BucketStorage], Field(discriminator="kind")]


class KubeflowSpec(Spec):
    """How the pipeline runs on Kubeflow, and a schedule's job on Kubernetes.

    Attributes:
      granularity: `run`: one task runs the whole pipeline, and takes what a failed try has done
        from the cache; `node`: one task a node of the graph.
      image: The image of `docker/Dockerfile`, with your own code where you have some.
      host: The address of Kubeflow's API; KF_PIPELINES_ENDPOINT where not given.
      namespace: The namespace of Kubernetes that runs belong to.
      experiment: The experiment that runs are filed under.
      service_account: Who the tasks run as; the cluster's default where not given.
      resources: Of every task.
      nodes: Of single nodes, by name, such as `Trainer`; `Compressor` is all of `Compressor.*`.
    """

    granularity: Literal["run", "node"] = "run"
    image: str = Field("kelp:0.1.0", pattern=_IMAGE)
    host: Annotated[str, AfterValidator(without_credentials)] | None = None
    namespace: ObjectName = "kubeflow"
    experiment: str = Field("kelp", min_length=1)
    storage: Storage = VolumeStorage()
    secrets: tuple[SecretSpec, ...] = ()
    service_account: ObjectName | None = None
    resources: ResourcesSpec = ResourcesSpec()
    nodes: dict[str, ResourcesSpec] = {}

    def resources_of(self, node: str) -> ResourcesSpec:
        """The resources of one node, those of its kind, and the defaults beneath."""
        merged = self.resources.over(DEFAULT_RESOURCES)
        kind = node.partition(".")[0]
        for name in dict.fromkeys((kind, node)):
            if name in self.nodes:
                merged = self.nodes[name].over(merged)
        return merged


def unknown_nodes(named: Mapping[str, ResourcesSpec], nodes: Iterable[str]) -> list[str]:
    """Gives the keys of `kubeflow.nodes` that are neither a node nor a kind of nodes."""
    known = {name for node in nodes for name in (node, node.partition(".")[0])}
    return [name for name in named if name not in known]
