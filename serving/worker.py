"""One of several processes that serve on a socket; `serving.supervisor` starts it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.spared_imports import spare_imports
from serving.config import ServingSpec
from serving.logs import log_as_json
from serving.server import Worker, quiet_libraries, run_worker


def main(arguments: Sequence[str]) -> int:
    """Serves with the config from standard input.

    Args:
      arguments: The socket's descriptor, the folder of the metrics, the supervisor's process
        id, and "tells" or "silent".
    """
    descriptor, folder, parent, voice = arguments
    spec = ServingSpec.model_validate_json(sys.stdin.read())
    log_as_json()
    quiet_libraries()
    spare_imports()
    listening = socket.socket(fileno=int(descriptor))
    # It must not answer for models that it has not loaded yet where another one has.
    worker = Worker(
        folder=Path(folder), parent=int(parent), load_first=True, tells=voice == "tells"
    )
    return run_worker(spec, listening, worker)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
