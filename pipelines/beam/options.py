"""Beam's command-line options, from the keys of `beam`."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.beam.jars import job_server_jar
from pipelines.beam.spec import (
    BeamSpec,
    ClusterBeam,
    DataflowBeam,
    DockerWorkers,
    ExternalWorkers,
    FlinkBeam,
    LocalBeam,
    ProcessWorkers,
)

# Beam's default DirectRunner tries to download and start another runner; naming this one
# makes a run the same on every machine.
_LOCAL = (
    "--runner=apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner",
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
)
# Nothing is started from an image. Without the option, TFX packs its own source for remote
# workers, which takes each component a second.
_NO_IMAGE = "--sdk_container_image=none"
# Workers import it first: TFX supplies a module that TensorFlow Data Validation looks for.
WORKER_IMPORT = "tfx"
_PLUGIN = f"--beam_plugin={WORKER_IMPORT}"
# Otherwise workers end with each stage of a pipeline, and start again for the next one. Flink keeps
# them only where the job server is in its own `lib`.
_KEEP_WORKERS_MS = 30_000
_RUNNERS = {
    "flink": "pipelines.beam.runners.FlinkRunner",
    "spark": "pipelines.beam.runners.SparkRunner",
}


def beam_args(spec: BeamSpec) -> list[str]:
    """Gives Beam's command-line options for the runner of the config."""
    if isinstance(spec, LocalBeam):
        return [*_LOCAL, _NO_IMAGE]
    if isinstance(spec, DataflowBeam):
        return list(_dataflow(spec))
    return list(_cluster(spec))


def _cluster(spec: ClusterBeam) -> Iterator[str]:
    yield f"--runner={_RUNNERS[spec.runner]}"
    if isinstance(spec, FlinkBeam):
        yield f"--flink_master={spec.master}"
        yield f"--flink_version={spec.version}"
        if spec.parallelism is not None:
            yield f"--parallelism={spec.parallelism}"
    else:
        yield f"--spark_master_url={spec.master}"
        yield f"--spark_version={spec.version}"
    server = spec.job_server
    if server.endpoint is not None:
        yield f"--job_endpoint={server.endpoint}"
    else:
        yield f"--{spec.runner}_job_server_jar={job_server_jar(spec)}"
        yield f"--job_server_java_launcher={server.java}"
        if server.memory_mib is not None:
            yield f"--job_server_jvm_property=-Xmx{server.memory_mib}m"
    yield f"--sdk_worker_parallelism={spec.workers_per_node}"
    yield f"--environment_cache_millis={_KEEP_WORKERS_MS}"
    yield from _environment(spec)


def _environment(spec: ClusterBeam) -> Iterator[str]:
    workers = spec.environment
    yield f"--environment_type={workers.type}"
    yield _PLUGIN
    if isinstance(workers, DockerWorkers):
        yield f"--environment_option=docker_container_image={workers.image}"
        yield f"--sdk_container_image={workers.image}"
        return
    if isinstance(workers, ProcessWorkers):
        yield f"--environment_option=process_command={workers.command}"
        if workers.variables:
            pairs = ",".join(f"{name}={value}" for name, value in workers.variables.items())
            yield f"--environment_option=process_variables={pairs}"
    elif isinstance(workers, ExternalWorkers):
        # Of the two ways to say it, Beam's Python understands this one.
        yield f"--environment_config={workers.address}"
    yield _NO_IMAGE


def _dataflow(spec: DataflowBeam) -> Iterator[str]:
    staging = spec.staging_location or f"{spec.temp_location.rstrip('/')}/staging"
    yield "--runner=DataflowRunner"
    yield f"--project={spec.project}"
    yield f"--region={spec.region}"
    yield f"--temp_location={spec.temp_location}"
    yield f"--staging_location={staging}"
    yield f"--sdk_container_image={spec.image}"
    yield _PLUGIN
    optional = {
        "machine_type": spec.machine_type,
        "disk_size_gb": spec.disk_gib,
        "num_workers": spec.workers,
        "max_num_workers": spec.max_workers,
        "service_account_email": spec.service_account,
        "network": spec.network,
        "subnetwork": spec.subnetwork,
    }
    for name, value in optional.items():
        if value is not None:
            yield f"--{name}={value}"
    if not spec.public_ips:
        yield "--no_use_public_ips"


def batch_by_size() -> None:
    """Makes TFX read batches of a fixed size in bytes, in this process.

    By default Beam looks for the size that takes a second. On wide tables or a busy machine
    that is a handful of rows, and each batch costs time for every column; moments that are
    summed up in other batches also differ in their last bits from run to run.
    """
    from absl import flags
    from tfx_bsl.coders import batch_util  # noqa: F401 (defines the flag)

    flags.FLAGS.set_default("tfxio_use_byte_size_batching", True)
