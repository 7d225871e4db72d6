"""`kelp-beam-worker`: the work of one Beam worker, where this package is installed.

A cluster's nodes start workers by the contract of Beam's containers: with an id, and the address
of a service that says where the rest is. Beam's own program for that is in its containers alone;
this one is for PROCESS workers, and for pools of EXTERNAL ones.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from pipelines.beam.options import WORKER_IMPORT
from pipelines.process_environment import start_with_variables

_DESCRIPTORS = {
    "logging": "LOGGING_API_SERVICE_DESCRIPTOR",
    "control": "CONTROL_API_SERVICE_DESCRIPTOR",
    "status": "STATUS_API_SERVICE_DESCRIPTOR",
}
_TIMEOUT_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Works, or starts workers, until the runner needs none any more.

    Args:
      arguments: Those of a worker that a pool has forked; None takes the command line's.
    """
    named = _parse(arguments)
    if arguments is None:
        start_with_variables()
    if named.pool is not None:
        from pipelines.beam.pool import serve_pool

        serve_pool(named.pool)
        return 0
    # What starts workers may read nothing of what they print, and a full pipe would stop them.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ["WORKER_ID"] = named.id
    # TFX takes the arguments of the command line for flags of its own.
    del sys.argv[1:]
    __import__(WORKER_IMPORT)
    from apache_beam.runners.worker import sdk_worker_main, worker_id_interceptor

    # Beam reads it from the environment when it is imported, which may have been in a pool.
    worker_id_interceptor.WorkerIdInterceptor._worker_id = named.id
    info = _provision_info(named.provision_endpoint, named.id)
    given = {"logging": named.logging_endpoint, "control": named.control_endpoint}
    os.environ.update(worker_environment(info, given))
    sdk_worker_main.main([])
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kelp-beam-worker", description=__doc__)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--id")
    how.add_argument("--pool", type=int, metavar="PORT", help="start workers that are asked for")
    parser.add_argument("--provision_endpoint", default="")
    parser.add_argument("--logging_endpoint", default="")
    parser.add_argument("--control_endpoint", default="")
    # Runners pass more, such as where to stage files, of which there are none.
    return parser.parse_known_args(arguments)[0]


def _provision_info(address: str, worker: str) -> Any:
    """Asks the runner for the options of the pipeline, and for its other addresses."""
    import grpc
    from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
    from apache_beam.runners.worker.worker_id_interceptor import WorkerIdInterceptor

    with grpc.insecure_channel(address) as plain:
        channel = grpc.intercept_channel(plain, WorkerIdInterceptor(worker))
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        return service.GetProvisionInfo(request, timeout=_TIMEOUT_S, wait_for_ready=True).info


def worker_environment(info: Any, given: dict[str, str]) -> dict[str, str]:
    """Gives what Beam's worker reads from the environment, but for its id.

    Args:
      info: What the runner said.
      given: The addresses of the command line, by service; they come before the runner's.
    """
    from google.protobuf import json_format, text_format

    environment = {
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }
    for service, variable in _DESCRIPTORS.items():
        descriptor = getattr(info, f"{service}_endpoint")
        if given.get(service):
            descriptor = type(descriptor)(url=given[service])
        if descriptor.url:
            environment[variable] = text_format.MessageToString(descriptor)
    return environment


if __name__ == "__main__":
    sys.exit(main())
