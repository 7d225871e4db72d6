"""Compiles a config's pipeline to Kubeflow's own format, schema 2.1.0."""

from __future__ import annotations

import functools
import inspect
import re
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import ConfigError, EnvironmentProblem
from contracts.files import save_text
from contracts.text import did_you_mean, some
from pipelines.config.problem import LoadedConfig, load_config
from pipelines.kubeflow.carried import carried_files, carried_overrides, to_text
from pipelines.kubeflow.config import (
    BucketStorage,
    KubeflowSpec,
    ResourcesSpec,
    unknown_nodes,
)
from pipelines.kubeflow.storage import storage_overrides, working_folder

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

    from pipelines.execution.schedule import Step

INSTALL = "pip install 'kelp-mlops[kubeflow]'"
_FINISH = "finish"
_BACKOFF = {"backoff_duration": "60s", "backoff_factor": 2.0, "backoff_max_duration": "900s"}


def pipeline_text(loaded: LoadedConfig) -> str:
    """Gives the pipeline of a config as YAML: the same text for the same config.

    Raises:
      ConfigError: the config cannot run on a cluster as it is.
      EnvironmentProblem: Kubeflow's SDK is not installed.
    """
    with kfp_installed():
        from kfp import compiler

    with _quick_stacks():
        described = _pipeline(loaded)
    with tempfile.TemporaryDirectory(prefix="kelp-kubeflow-") as folder:
        package = Path(folder, "pipeline.yaml")
        compiler.Compiler().compile(described, str(package))
        return package.read_text(encoding="utf-8")


def compile_to(loaded: LoadedConfig, path: Path) -> None:
    """Writes the pipeline of a config, all of it or nothing."""
    save_text(path, pipeline_text(loaded))


def pipeline_name(loaded: LoadedConfig) -> str:
    """The name of the pipeline on Kubeflow."""
    return loaded.config.name.replace("_", "-").rstrip("-")


@contextmanager
def kfp_installed() -> Iterator[None]:
    """Says what to install where Kubeflow's SDK is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("kfp", "kfp_server_api"):
            raise
        raise EnvironmentProblem(
            "Kubeflow's SDK is not installed.",
            where="kelp kubeflow",
            expected="the package kfp 2.16",
            fix=INSTALL,
        ) from error


@contextmanager
def _quick_stacks() -> Iterator[None]:
    """Spares the SDK the source of the frames that it is called from: it asks for a name alone.

    For each key of each task it looks for that source in all modules that are imported, which
    takes longer than the rest of a compilation.
    """
    from kfp.dsl import pipeline_task

    before = pipeline_task.inspect
    quick = {**vars(inspect), "stack": functools.partial(inspect.stack, 0)}
    pipeline_task.inspect = types.SimpleNamespace(**quick)
    try:
        yield
    finally:
        pipeline_task.inspect = before


def _pipeline(loaded: LoadedConfig) -> Any:
    spec = loaded.config.kubeflow
    make = _task_maker(loaded)
    steps = _node_steps(loaded, make) if spec.granularity == "node" else _run_step(spec, make)
    # Kubeflow gives the text to every task; the spec has it once.
    steps.__defaults__ = (to_text(carried_files(loaded)),)
    description = f"Kelp: {loaded.path.name}, config digest {loaded.digest[:12]}"
    return _as_pipeline(steps, pipeline_name(loaded), description)


def _as_pipeline(steps: Callable[[str], None], name: str, description: str | None = None) -> Any:
    from kfp import dsl

    # The SDK takes no annotations that are texts, as those of this module are.
    steps.__annotations__ = {"files": str}
    return dsl.pipeline(name=name, description=description)(steps)


_Maker = Callable[[str, Any, Sequence[str]], Any]


def _task_maker(loaded: LoadedConfig) -> _Maker:
    """Gives what makes a task of a command of Kelp."""
    from kfp import dsl

    config = f"CONFIG/{loaded.path.name}"
    overrides = [*carried_overrides(loaded), *storage_overrides(loaded)]

    def make(name: str, files: Any, command: Sequence[str]) -> PipelineTask:
        verb, *rest = command
        words = [*verb.split(), config, *rest, *overrides]
        task = _component(name, loaded.config.kubeflow.image)(
            files=files,
            place=f"kelp-config/{loaded.config.name}",
            command=words,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            folder=working_folder(loaded),
        )
        # Kelp's own cache knows code and data; Kubeflow's knows the text of the command.
        return task.set_display_name(name).set_caching_options(False)

    return make


def _component(name: str, image: str) -> Any:
    """The function that runs Kelp as a component that is named after a node."""
    from kfp import dsl

    from pipelines.kubeflow.task import run_kelp

    component: Any = dsl.component(run_kelp, base_image=image, install_kfp_package=False)
    component.component_spec.name = task_name(name)
    return component


def task_name(node: str) -> str:
    """The name of a node's task on Kubeflow, which takes small letters, digits and hyphens."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", node)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _run_step(spec: KubeflowSpec, make: _Maker) -> Callable[[str], None]:
    """One task, which runs the whole pipeline."""

    def steps(files: str) -> None:
        _with_resources(make("run", files, ["run"]), spec, "run")

    return steps


def _node_steps(loaded: LoadedConfig, make: _Maker) -> Callable[[str], None]:
    """One task a node, in a pipeline within the pipeline, and one that sums up after it.

    The last task runs whether the nodes succeeded or not. On Kubeflow, such a task is a hook of
    each single task that it comes after: it comes after one, which is all of the nodes.
    """
    nodes = _steps(loaded)
    spec = loaded.config.kubeflow

    def graph(files: str) -> None:
        tasks: dict[str, PipelineTask] = {}
        for step in nodes:
            task = make(step.name, files, ["node run", step.name, "--run-id", "RUN_ID"])
            tasks[step.name] = _with_resources(task, spec, step.name).after(
                *(tasks[name] for name in sorted(step.needs))
            )

    inner_pipeline = _as_pipeline(graph, "nodes")

    def steps(files: str) -> None:
        inner = inner_pipeline(files=files)
        last = make(_FINISH, files, ["node finish", "--run-id", "RUN_ID"])
        _with_resources(last, spec, _FINISH).after(inner).ignore_upstream_failure()

    return steps


def _steps(loaded: LoadedConfig) -> list[Step]:
    """The graph's steps, of the config as the tasks will read it."""
    on_cluster = load_config(loaded.path, [*loaded.overrides, *storage_overrides(loaded)])
    _require_shared_metadata(on_cluster)
    from pipelines.execution.steps import graph_steps

    steps = graph_steps(on_cluster)
    names = [*(step.name for step in steps), _FINISH]
    for name in unknown_nodes(loaded.config.kubeflow.nodes, names):
        raise ConfigError(
            f"There is no node {name!r}.",
            where=f"{loaded.path}, key kubeflow.nodes.{name}",
            expected=f"nodes of this graph: {some(names)}",
            received=repr(name),
            fix=did_you_mean(name, names),
        )
    return steps


def _require_shared_metadata(loaded: LoadedConfig) -> None:
    if isinstance(loaded.config.kubeflow.storage, BucketStorage) and (
        loaded.config.metadata.server is None
    ):
        raise ConfigError(
            "The nodes have no metadata store in common: SQLite is a file, which a bucket has not.",
            where=f"{loaded.path}, key metadata",
            expected="postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE",
            received=loaded.config.metadata.url,
            fix="give metadata a server, or take kubeflow.storage.kind=pvc",
        )


def _with_resources(task: PipelineTask, spec: KubeflowSpec, node: str) -> PipelineTask:
    resources = spec.resources_of(node)
    _request(task, resources)
    if resources.retries:
        task.set_retry(resources.retries, **_BACKOFF)
    _place(task, spec, resources)
    return task


def _request(task: PipelineTask, resources: ResourcesSpec) -> None:
    if resources.cpu is not None:
        task.set_cpu_request(resources.cpu)
    if resources.memory is not None:
        task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
    for resource, number in (
        (resources.gpu_resource, resources.gpu),
        ("google.com/tpu", resources.tpu),
    ):
        if number:
            task.set_accelerator_type(resource).set_accelerator_limit(number)


def _place(task: PipelineTask, spec: KubeflowSpec, resources: ResourcesSpec) -> None:
    """What only Kubernetes knows: volume, secrets, machines and the time limit."""
    from kfp import kubernetes

    from contracts.duration import seconds_of

    if not isinstance(spec.storage, BucketStorage):
        kubernetes.mount_pvc(task, spec.storage.claim, spec.storage.path)
    for secret in spec.secrets:
        kubernetes.use_secret_as_env(task, secret.name, dict(secret.env))
    for label, value in sorted((resources.node_selector or {}).items()):
        kubernetes.add_node_selector(task, label, value)
    if resources.timeout is not None:
        kubernetes.set_timeout(task, seconds_of(resources.timeout))
