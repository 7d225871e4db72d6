"""What a worker hears from the runner that started it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
from apache_beam.runners.worker import sdk_worker_main, worker_id_interceptor

from pipelines.beam import worker


class Provision(beam_provision_api_pb2_grpc.ProvisionServiceServicer):  # type: ignore[misc]
    """A runner that gives a worker its options, and remembers which worker asked."""

    def __init__(self) -> None:
        self.workers: list[str] = []

    def GetProvisionInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 (the name is Beam's)
        self.workers.append(dict(context.invocation_metadata())["worker_id"])
        response = beam_provision_api_pb2.GetProvisionInfoResponse()
        response.info.control_endpoint.url = "localhost:1"
        response.info.logging_endpoint.url = "localhost:2"
        response.info.runner_capabilities.append("beam:protocol:x:v1")
        response.info.pipeline_options["beam:option:beam_plugins:v1"] = ["tfx"]
        return response


def test_a_worker_gets_its_options_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    service, server = Provision(), grpc.server(ThreadPoolExecutor(1))
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["kelp-beam-worker", "--id=ignored"])
    monkeypatch.setattr(sdk_worker_main, "main", lambda _: environment.update(os.environ))
    # As in a pool, which has imported it before there was a worker.
    interceptor = worker_id_interceptor.WorkerIdInterceptor
    monkeypatch.setattr(interceptor, "_worker_id", None)
    given = ["--id=w-1", f"--provision_endpoint=127.0.0.1:{port}", "--semi_persist_dir=/x"]
    assert worker.main([*given, "--control_endpoint=localhost:9"]) == 0
    server.stop(None)

    assert service.workers == ["w-1"]
    assert environment["WORKER_ID"] == interceptor()._worker_id == "w-1"
    assert environment["CONTROL_API_SERVICE_DESCRIPTOR"] == 'url: "localhost:9"\n'
    assert environment["LOGGING_API_SERVICE_DESCRIPTOR"] == 'url: "localhost:2"\n'
    assert "STATUS_API_SERVICE_DESCRIPTOR" not in environment
    assert environment["RUNNER_CAPABILITIES"] == "beam:protocol:x:v1"
    options = sdk_worker_main._parse_pipeline_options(environment["PIPELINE_OPTIONS"])
    assert options.get_all_options()["beam_plugins"] == ["tfx"]
    assert sys.argv == ["kelp-beam-worker"]
