"""What one node of a run did, as the process that ran it wrote it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contracts.files import read_json, write_json
from contracts.spec import Spec
from pipelines.execution.folders import NODES_FOLDER

if TYPE_CHECKING:
    from pipelines.execution.nodes import Outputs
    from pipelines.execution.state import RunState


class NodeRecord(Spec):
    """One node of one run.

    Attributes:
      node: Its id.
      status: How it is, or ended; `running` where an attempt was killed.
      attempt: How many times it was begun in this run.
      started: When the last attempt began, as ISO 8601.
      seconds: What that attempt took.
      cached: Whether its work was found done.
      peak_memory_mib: The most memory it had.
      outputs: By key, where its artifacts are.
      error: What was printed where it failed.
    """

    node: str
    status: Literal["running", "succeeded", "failed", "interrupted"]
    attempt: int
    started: str
    seconds: float | None = None
    cached: bool | None = None
    peak_memory_mib: float | None = None
    outputs: Mapping[str, list[str]] = {}
    error: list[str] | None = None

    def succeeded(self, state: RunState) -> NodeRecord:
        """The record once the attempt has succeeded."""
        return self.model_copy(
            update={
                "status": "succeeded",
                "seconds": state.seconds[self.node],
                "cached": state.cached[self.node],
                "peak_memory_mib": state.memory[self.node],
                "outputs": _uris(state.outputs[self.node]),
            }
        )

    def recovered(self, outputs: Outputs) -> NodeRecord:
        """The record of a node that was killed after its success, and before it said so."""
        return self.model_copy(update={"status": "succeeded", "outputs": _uris(outputs)})

    def failed(self, status: str, error: Sequence[str], seconds: float) -> NodeRecord:
        """The record once the attempt has failed."""
        return self.model_copy(
            update={"status": status, "error": list(error), "seconds": round(seconds, 2)}
        )


def _uris(outputs: Outputs) -> dict[str, list[str]]:
    return {key: [artifact.uri for artifact in artifacts] for key, artifacts in outputs.items()}


def record_path(folder: Path, node: str) -> Path:
    """Where the record of a node is."""
    return folder / NODES_FOLDER / f"{node}.json"


def read_record(folder: Path, node: str) -> NodeRecord | None:
    """Gives the record of a node; None where it was never begun."""
    path = record_path(folder, node)
    return NodeRecord.model_validate(read_json(path)) if path.is_file() else None


def write_record(folder: Path, record: NodeRecord) -> None:
    """Replaces the record of a node in one step."""
    write_json(record_path(folder, record.node), record.model_dump(mode="json"))


def begin_record(folder: Path, node: str) -> NodeRecord:
    """Writes down that a node was begun, once more where it was begun before."""
    before = read_record(folder, node)
    record = NodeRecord(
        node=node,
        status="running",
        attempt=1 if before is None else before.attempt + 1,
        started=datetime.now(timezone.utc).isoformat(),
    )
    write_record(folder, record)
    return record
