"""Beam's runners for Flink and Spark, which leave nothing running behind a pipeline.

Beam stops a job server when the interpreter exits, or at Ctrl-C before the job is cancelled, which
then goes on. A component's process ends without the interpreter's exit, and whoever interrupts a
run wants the cluster's slots back: here the job ends with the pipeline, and after it the job
server, which ends with the component where its pipelines share one. Where the component's process
is killed, nobody can cancel the job any more, but the job server ends all the same.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable
from typing import Any

import grpc
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, PortableOptions
from apache_beam.portability import python_urns
from apache_beam.runners.portability import flink_runner, portable_runner, spark_runner
from apache_beam.runners.portability.job_server import JavaJarJobServer
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.transforms import environments

from models.processes.tied_program import tied_command
from pipelines.beam.job_servers import SharedJobServer, shared_job_server
from pipelines.beam.pool import WorkerPool

_LOG = logging.getLogger(__name__)


class _Job(portable_runner.PipelineResult):
    """A job that is cancelled when waiting for it is interrupted."""

    def __init__(self, job: Any, end: Callable[[], None]) -> None:
        super().__init__(
            job._job_service,
            job._job_id,
            job._message_stream,
            job._state_stream,
            job._cleanup_callbacks,
        )
        self._end = end

    def wait_until_finish(self, duration: int | None = None) -> Any:
        """Waits for the job, and stops its job server.

        Args:
          duration: How many milliseconds at most; 0 or None for no limit.
        """
        try:
            return super().wait_until_finish(duration)
        except KeyboardInterrupt:
            self._cancel()
            raise
        finally:
            self._end()

    def _cancel(self) -> None:
        try:
            self.cancel()
        except grpc.RpcError:  # the interruption matters more than what the job server says
            _LOG.exception("The job could not be cancelled; look for it on the cluster.")


class _TiedServer(JavaJarJobServer):
    """A job server that ends with this process, also where that is killed."""

    def subprocess_cmd_and_endpoint(self) -> tuple[list[str], str]:
        """Gives the command, and where it will listen."""
        command, endpoint = super().subprocess_cmd_and_endpoint()
        return tied_command([str(word) for word in command]), endpoint


class _FlinkServer(_TiedServer, flink_runner.FlinkJarJobServer):
    """Flink's."""


class _SparkServer(_TiedServer, spark_runner.SparkJarJobServer):
    """Spark's."""


class _EndsWithPipeline(portable_runner.PortableRunner):
    """Stops the job server that it has started for a pipeline alone."""

    def __init__(self) -> None:
        super().__init__()
        self._server: JavaJarJobServer | None = None

    @staticmethod
    def start_and_replace_loopback_environments(
        pipeline: Any, options: PipelineOptions
    ) -> list[Callable[[], None]]:
        """Starts the workers of this process as Beam does, from a pool of ours."""
        portable = copy.deepcopy(options.view_as(PortableOptions))
        experiments = options.view_as(DebugOptions).experiments or []
        ends: list[Callable[[], None]] = []
        for place in pipeline.components.environments.values():
            if place.urn != python_urns.EMBEDDED_PYTHON_LOOPBACK:
                continue
            portable.environment_type = "EXTERNAL"
            portable.environment_config, server = WorkerPool.start(
                state_cache_size=sdk_worker_main._get_state_cache_size_bytes(options=options),
                data_buffer_time_limit_ms=sdk_worker_main._get_data_buffer_time_limit_ms(
                    experiments
                ),
            )
            external = environments.ExternalEnvironment.from_options(portable).to_runner_api(None)
            place.urn, place.payload = external.urn, external.payload
            ends.append(functools.partial(server.stop, 1))
        return ends

    def default_job_server(self, options: PipelineOptions) -> JavaJarJobServer | SharedJobServer:
        """Gives the component's job server, or one of this pipeline's own."""
        server = self._job_server(options)
        shared = shared_job_server(server)
        if shared is None:
            self._server = server
        return shared or server

    def _job_server(self, options: PipelineOptions) -> JavaJarJobServer:
        raise NotImplementedError

    def run_portable_pipeline(self, pipeline: Any, options: PipelineOptions) -> _Job:
        """Submits a pipeline to the job server."""
        try:
            return _Job(super().run_portable_pipeline(pipeline, options), self._stop)
        except BaseException:
            self._stop()
            raise

    def _stop(self) -> None:
        server, self._server = self._server, None
        # One that did not start has cleaned up after itself.
        if server is not None and server._server is not None:
            server.stop()


class FlinkRunner(_EndsWithPipeline, flink_runner.FlinkRunner):
    """Submits pipelines to a Flink cluster, by a job server."""

    def _job_server(self, options: PipelineOptions) -> JavaJarJobServer:
        flink = options.view_as(flink_runner.pipeline_options.FlinkRunnerOptions)
        flink.flink_master = self.add_http_scheme(flink.flink_master)
        return _FlinkServer(options)


class SparkRunner(_EndsWithPipeline, spark_runner.SparkRunner):
    """Submits pipelines to a Spark cluster, by a job server."""

    def _job_server(self, options: PipelineOptions) -> JavaJarJobServer:
        return _SparkServer(options)
