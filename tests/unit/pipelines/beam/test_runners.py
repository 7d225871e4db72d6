"""What starts the job server of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    SparkRunnerOptions,
)

from models.processes.tied_program import tied_command
from pipelines.beam.runners import FlinkRunner, SparkRunner


@pytest.mark.parametrize(
    ("runner", "own", "key"),
    [
        (FlinkRunner, FlinkRunnerOptions, "flink_job_server_jar"),
        (SparkRunner, SparkRunnerOptions, "spark_job_server_jar"),
    ],
)
def test_a_job_server_ends_with_the_process_that_started_it(
    runner: Any, own: Any, key: str, tmp_path: Path
) -> None:
    jar = tmp_path / "server.jar"
    jar.touch()
    options = PipelineOptions([])
    setattr(options.view_as(own), key, str(jar))
    options.view_as(JobServerOptions).job_server_java_launcher = "/opt/java"
    options.view_as(JobServerOptions).artifacts_dir = str(tmp_path)
    server = runner().default_job_server(options)
    command, endpoint = server.subprocess_cmd_and_endpoint()
    java = command.index("/opt/java")
    assert command[:java] == tied_command([])
    assert command[java - 1] == str(os.getpid())
    jar_at = command.index("-jar", java)
    assert command[jar_at + 1] == str(jar)
    assert endpoint.startswith("localhost:")
