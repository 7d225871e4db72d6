"""The machines that train one network together, as TF_CONFIG says who they are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.errors import ConfigError

CLUSTER_VARIABLE = "TF_CONFIG"


@dataclass(frozen=True)
class Cluster:
    """The machines that train together, and which of them this one is.

    Attributes:
      workers: Their addresses, the chief's first.
      place: This one's place among them; the chief, 0, alone writes.
    """

    workers: tuple[str, ...]
    place: int

    @property
    def is_chief(self) -> bool:
        """Whether this machine writes the model."""
        return self.place == 0


def find_cluster(environment: Mapping[str, str] | None = None) -> Cluster | None:
    """Gives the machines of TF_CONFIG; None where this one trains alone.

    Args:
      environment: Where TF_CONFIG is looked up; the process's own by default.

    Raises:
      ConfigError: TF_CONFIG cannot be read, or asks for parameter servers.
    """
    text = (os.environ if environment is None else environment).get(CLUSTER_VARIABLE, "")
    if not text.strip():
        return None
    try:
        given = json.loads(text)
        jobs = {
            str(job): [str(worker) for worker in workers]
            for job, workers in given["cluster"].items()
        }
        kind, index = str(given["task"]["type"]), int(given["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(text, f"{type(error).__name__}: {error}") from error
    if set(jobs) - {"chief", "worker"}:
        raise _invalid(text, f"jobs {', '.join(sorted(jobs))}")
    workers = [*jobs.get("chief", []), *jobs.get("worker", [])]
    place = index + (len(jobs.get("chief", [])) if kind == "worker" else 0)
    if kind not in jobs or not 0 <= index < len(jobs[kind]):
        raise _invalid(text, f"task {kind} {index}, which the cluster does not have")
    return Cluster(tuple(workers), place) if len(workers) > 1 else None


def _invalid(text: str, received: str) -> ConfigError:
    return ConfigError(
        f"Invalid {CLUSTER_VARIABLE}: it does not say which machines train together.",
        where=f"environment variable {CLUSTER_VARIABLE}",
        expected='{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", '
        '"index": 0}}; a chief is possible, parameter servers are not',
        received=f"{received}; {text[:200]}",
        fix=f"correct it, or unset {CLUSTER_VARIABLE} to train on this machine alone",
    )
