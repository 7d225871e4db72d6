"""The keys of `beam`, and the options that Beam gets for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners import create_runner
from pydantic import TypeAdapter

from contracts.errors import ConfigError
from pipelines.beam.options import beam_args
from pipelines.beam.spec import BeamSpec, FlinkBeam, LocalBeam
from pipelines.config.problem import load_config

CONFIG = """\
name: demo
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: data.parquet}
"""
CLUSTER = {"master": "flink.example:8081"}
IMAGE = {"type": "DOCKER", "image": "kelp:1"}
DATAFLOW = {
    "runner": "dataflow",
    "project": "p",
    "region": "europe-west1",
    "temp_location": "gs://b/tmp/",
    "image": "kelp:1",
}


def options_of(**keys: Any) -> PipelineOptions:
    spec = TypeAdapter(BeamSpec).validate_python(keys)
    return PipelineOptions(beam_args(spec))


def config_error(tmp_path: Path, *overrides: str) -> ConfigError:
    path = tmp_path / "demo.yaml"
    path.write_text(CONFIG)
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return caught.value


def test_without_keys_all_happens_in_the_process() -> None:
    assert TypeAdapter(BeamSpec).validate_python({}) == LocalBeam()
    options = options_of()
    assert "FnApiRunner" in options.view_as(StandardOptions).runner
    assert options.view_as(WorkerOptions).sdk_container_image == "none"


def test_flink_on_this_machine_uses_the_process_of_the_component() -> None:
    options = options_of(runner="flink", parallelism=2, job_server={"memory_mib": 900})
    flink = options.view_as(FlinkRunnerOptions)
    assert (flink.flink_master, flink.flink_version, flink.parallelism) == ("[local]", "1.20", 2)
    assert Path(flink.flink_job_server_jar).parent == Path("jars").absolute()
    assert options.view_as(PortableOptions).environment_type == "LOOPBACK"
    server = options.view_as(JobServerOptions)
    assert server.job_server_jvm_properties == ["-Xmx900m"]
    runner = create_runner(options.view_as(StandardOptions).runner)
    assert type(runner).__name__ == "FlinkRunner"


@pytest.mark.parametrize(
    ("environment", "config", "options"),
    [
        ({"type": "EXTERNAL", "address": "pool:50000"}, "pool:50000", None),
        (
            {"type": "PROCESS", "command": "/k/w", "variables": {"A": "1", "B": "2"}},
            None,
            ["process_command=/k/w", "process_variables=A=1,B=2"],
        ),
        (IMAGE, None, ["docker_container_image=kelp:1"]),
    ],
)
def test_workers_of_a_cluster(environment: dict[str, Any], config: Any, options: Any) -> None:
    given = options_of(runner="flink", **CLUSTER, environment=environment, workers_per_node=3)
    portable = given.view_as(PortableOptions)
    assert portable.environment_type == environment["type"]
    assert (portable.environment_config, portable.environment_options) == (config, options)
    assert portable.sdk_worker_parallelism == "3"
    assert int(portable.environment_cache_millis) > 0
    # Workers of a version of TensorFlow Data Validation need TFX to be imported first.
    assert given.view_as(SetupOptions).beam_plugins == ["tfx"]


@pytest.mark.parametrize(
    ("written", "version"), [("1.20", "1.20"), ("'1.20'", "1.20"), ("2.0", "2.0")]
)
def test_a_version_may_stand_without_quotes(tmp_path: Path, written: str, version: str) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(f"{CONFIG}beam: {{runner: flink, version: {written}}}\n")
    spec = load_config(path).config.beam
    assert isinstance(spec, FlinkBeam)
    assert spec.version == version


def test_a_job_server_that_runs_already_is_not_started() -> None:
    options = options_of(runner="spark", master="local[4]", job_server={"endpoint": "h:8099"})
    assert options.view_as(PortableOptions).job_endpoint == "h:8099"
    spark = options.view_as(SparkRunnerOptions)
    assert (spark.spark_master_url, spark.spark_job_server_jar) == ("local[4]", None)
    runner = create_runner(options.view_as(StandardOptions).runner)
    assert type(runner).__name__ == "SparkRunner"


def test_dataflow_gets_its_own_options() -> None:
    options = options_of(**DATAFLOW, workers=2, max_workers=9, public_ips=False)
    cloud, workers = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region) == ("p", "europe-west1")
    assert (cloud.temp_location, cloud.staging_location) == ("gs://b/tmp/", "gs://b/tmp/staging")
    assert (workers.num_workers, workers.max_num_workers) == (2, 9)
    assert (workers.use_public_ips, workers.sdk_container_image) == (False, "kelp:1")


@pytest.mark.parametrize(
    ("overrides", "reported"),
    [
        (["beam.runner=flik"], "flink"),
        (["beam.master=h:1"], "unknown key"),
        (["beam={runner: spark, parallelism: 2}"], "unknown key"),
        (["beam={runner: flink, version: '1.18'}"], "1.19"),
        (["beam={runner: flink, master: 'h:8081'}"], "LOOPBACK workers run on this machine"),
        (["beam={runner: spark, master: yarn}"], "spark://"),
        (["beam={runner: flink, job_server: {endpoint: 'h:1', jar: x.jar}}"], "takes no jar"),
        (["beam={runner: flink, job_server: {sha256: abc}}"], "sha256"),
        (["beam={runner: flink, environment: {type: PROCESS}}"], "command"),
        (
            ["beam={runner: flink, environment: {type: PROCESS, command: w, variables: {A: '='}}}"],
            "separates variables",
        ),
        (["beam={runner: dataflow, project: p}"], "region"),
    ],
)
def test_wrong_keys_are_named(tmp_path: Path, overrides: list[str], reported: str) -> None:
    lines = config_error(tmp_path, *overrides).lines()
    assert len(lines) <= 10
    assert reported.lower() in "\n".join(lines).lower()
    assert "beam" in "\n".join(lines)
