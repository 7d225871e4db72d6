"""Runs the graph on this machine: a process, a line and a log a component, one summary."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import time
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from components.tracker.config import RUN_VARIABLE, STARTED_VARIABLE
from components.tracker.track import log_report
from contracts.errors import ConfigError, KelpError
from contracts.files import write_json
from contracts.results.files import write_result
from contracts.results.summary import MlflowRun, Summary
from contracts.text import nearest
from models.user_code import use_code_folder
from pipelines.commands import summary
from pipelines.config.problem import LoadedConfig
from pipelines.execution.capture import captured, peak_memory_mib, quieten, terminal
from pipelines.execution.execute import Execution, NodeDone
from pipelines.execution.failures import explain_failure
from pipelines.execution.folders import new_folder, only_run
from pipelines.execution.interruption import INTERRUPTED, Interruption, interruptible
from pipelines.execution.lasting_imports import lasting_imports
from pipelines.execution.progress import Progress
from pipelines.execution.schedule import (
    NODE_MIB,
    default_jobs,
    free_memory_mib,
    from_step,
    until_step,
)
from pipelines.execution.steps import steps_of
from pipelines.runs.conclusion import exit_status, last_line
from pipelines.runs.record import record

if TYPE_CHECKING:
    from pipelines.execution.nodes import NodeStore, Outputs

T = TypeVar("T")

FAILED = 1
_SETUP = "Setup"
_AUDIT_FOLDER = "data_verdict"


@dataclass
class _Run:
    """One run, as far as it has come."""

    loaded: LoadedConfig
    root: Path
    folder: Path
    start: str | None = None
    jobs: int | None = None
    end: str | None = None
    began: float = field(default_factory=time.monotonic)
    started: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat())
    seconds: dict[str, float] = field(default_factory=dict)
    cached: dict[str, bool] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, Outputs] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    current: str = _SETUP

    def log(self, component: str) -> Path:
        return self.folder / "logs" / f"{component}.log"

    def facts(self, status: str, error: KelpError | None) -> dict[str, Any]:
        return {
            "run_id": self.folder.name,
            "status": status,
            "stopped_at": None if error is None else self.current,
            "error": None if error is None else error.lines(),
            "started": self.started,
            "total_seconds": round(time.monotonic() - self.began, 1),
            "seconds": self._in_order(self.seconds),
            "cached": self._in_order(self.cached),
            "peak_memory_mib": self._in_order(self.memory),
        }

    def _in_order(self, values: dict[str, T]) -> dict[str, T]:
        """As the graph has them, in whatever order they ended."""
        return {name: values[name] for name in [_SETUP, *self.order] if name in values}


def run(
    loaded: LoadedConfig,
    start: str | None = None,
    use_cache: bool = True,
    *,
    require_blessing: bool = False,
    jobs: int | None = None,
) -> int:
    """Runs a config's pipeline and gives the exit status.

    Args:
      loaded: The validated config.
      start: Do this component, and what depends on it, again; take the rest from the cache.
      use_cache: Whether unchanged work may be taken from earlier runs.
      require_blessing: Whether a candidate that is not blessed is an exit status.
      jobs: How many components may run at once; as many as there are cores, and as free
        memory holds, where not given.
    """
    quieten()
    root = Path(loaded.config.runs).resolve() / loaded.config.name
    with only_run(root):
        current = _Run(loaded, root, new_folder(root), start, jobs)
        with terminal() as stream, interruptible() as interruption:
            console = Console(file=stream)
            try:
                _run_nodes(current, console, use_cache, interruption)
            except BaseException as error:  # noqa: BLE001 (reported to the reader; its trace is kept)
                return _fail(current, error)
            return _succeed(current, console, require_blessing)


def artifacts_until(loaded: LoadedConfig, component: str, folder: Path) -> dict[str, Outputs]:
    """Runs a config's pipeline up to a component, and gives the artifacts by node.

    What has not changed since an earlier run is taken from it.

    Args:
      loaded: The validated config.
      component: The last node to do.
      folder: Where logs go.

    Raises:
      KelpError: a component failed.
    """
    quieten()
    root = Path(loaded.config.runs).resolve() / loaded.config.name
    current = _Run(loaded, root, folder, end=component)
    with only_run(root), terminal() as stream, interruptible() as interruption:
        try:
            _run_nodes(current, Console(file=stream), True, interruption)
        except Exception as error:
            log = current.log(current.current.partition(",")[0])
            raise explain_failure(error, current.current, _short(log)) from error
    return current.outputs


def _run_nodes(
    current: _Run, console: Console, use_cache: bool, interruption: Interruption
) -> None:
    progress = Progress(console)
    record(current.loaded, current.folder)
    use_code_folder(current.loaded.code_folder)
    os.environ[RUN_VARIABLE] = f"{current.root.name}/{current.folder.name}"
    began = datetime.fromisoformat(current.started).timestamp()
    os.environ[STARTED_VARIABLE] = str(round(began * 1000))
    with progress.shown():
        execution = _set_up(current, progress, use_cache)
        interruption.check()
        jobs = current.jobs or default_jobs()
        try:
            execution.run(jobs, lambda: _has_room(current.jobs), interruption)
        except BaseException:
            current.current = ", ".join(execution.stopped_at) or current.current
            raise


def _has_room(asked: int | None) -> bool:
    """Whether one more component may run; who asks for a number of jobs gets that many."""
    return asked is not None or free_memory_mib() >= NODE_MIB


def _set_up(current: _Run, progress: Progress, use_cache: bool) -> Execution:
    began = time.monotonic()
    progress.start(_SETUP)
    with captured(current.log(_SETUP)):
        store, nodes = _prepare(current, use_cache)
    current.order = [node.node_info.id for node in nodes]
    progress.expect(current.order)
    current.seconds[_SETUP] = round(time.monotonic() - began, 2)
    current.memory[_SETUP] = round(peak_memory_mib())
    progress.done(_SETUP, current.seconds[_SETUP], False, None, current.memory[_SETUP])
    return Execution(
        store,
        {node.node_info.id: node for node in nodes},
        steps_of(nodes),
        current.log,
        progress,
        lambda done: _keep(current, done, progress),
    )


def _keep(current: _Run, done: NodeDone, progress: Progress) -> None:
    current.seconds[done.name] = round(done.seconds, 2)
    current.cached[done.name] = done.result.cached
    current.memory[done.name] = round(done.memory_mib)
    current.outputs[done.name] = done.result.outputs
    progress.done(done.name, done.seconds, done.result.cached, _rows(current), done.memory_mib)


def _prepare(current: _Run, use_cache: bool) -> tuple[NodeStore, list[Any]]:
    # Here and not above: TFX takes seconds to import, and says much while it does.
    with lasting_imports():
        from pipelines.execution.compile import compile_nodes
        from pipelines.execution.nodes import NodeStore
        from pipelines.graph import create_pipeline

    pipeline = create_pipeline(current.loaded, current.root)
    compiled = compile_nodes(pipeline, current.folder.name)
    nodes = [node.pipeline_node for node in compiled.nodes]
    if current.end is not None:
        kept = until_step(current.end, steps_of(nodes))
        nodes = [node for node in nodes if node.node_info.id in kept]
    again = set() if current.start is None else _from(current.start, nodes)
    for node in nodes:
        caching = node.execution_options.caching_options
        caching.enable_cache = use_cache and node.node_info.id not in again
    store = NodeStore(compiled)
    store.forget_lost_work()
    return store, nodes


def _from(start: str, nodes: list[Any]) -> set[str]:
    names = [node.node_info.id for node in nodes]
    if start not in names:
        close = nearest(start, names)
        raise ConfigError(
            f"There is no component {start!r} to start from.",
            where="--from",
            expected=", ".join(names),
            received=start,
            fix=f"did you mean {close}?" if close else "",
        )
    return from_step(start, steps_of(nodes))


def _rows(current: _Run) -> int | None:
    if "ExampleGen" not in current.outputs:
        return None
    from components.artifacts import rows_of

    return sum(rows_of(current.outputs["ExampleGen"]["examples"][0]).values())


def _succeed(current: _Run, console: Console, require_blessing: bool) -> int:
    content, places = _write_summary(current, current.facts("succeeded", None))
    _point_latest(current.folder)
    summary.render(content, console)
    for name, place in places.items():
        console.print(f"{name}: {_short(place)}", soft_wrap=True, highlight=False)
    if "report" not in places:
        log = _short(current.log("Summary"))
        console.print(f"warning: the report could not be written; why is in {log}")
    if current.loaded.frozen_schema is None:
        console.print(
            f"the schema is inferred anew in each run; `kelp schema freeze {current.loaded.path}` "
            "keeps it for review",
            soft_wrap=True,
            highlight=False,
        )
    line = last_line(content, require_blessing)
    if line is not None:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return exit_status(content, require_blessing)


def _fail(current: _Run, error: BaseException) -> int:
    trace = current.folder / "trace.txt"
    interrupted = isinstance(error, KeyboardInterrupt)
    log = _short(current.log(current.current.partition(",")[0]))
    problem = (
        KelpError(
            f"Interrupted during {current.current}; nothing half made was kept.",
            where=current.current,
        )
        if interrupted
        else explain_failure(error, current.current, log)
    )
    lines = problem.lines()
    with contextlib.suppress(OSError):  # a full disk must not hide the error itself
        trace.write_text(_trace(error), encoding="utf-8")
        lines.append(f"  {'log:':<10}{log} (trace: {_short(trace)})")
    if current.current != "Setup":
        lines.append(f"  {'resume:':<10}{_resume(current)}")
    with contextlib.suppress(OSError):
        _keep_audit(current, error)
        _write_failure(current, "interrupted" if interrupted else "failed", problem)
    console = Console(stderr=True)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return INTERRUPTED if interrupted else FAILED


def _trace(error: BaseException) -> str:
    trace = getattr(error, "trace", "")
    return trace or "".join(traceback.format_exception(error))


def _keep_audit(current: _Run, error: BaseException) -> None:
    """TFX discards what a failed component wrote; the audit is why it failed."""
    audit = getattr(error, "audit", None)
    if audit is not None:
        write_json(current.folder / _AUDIT_FOLDER / "audit.json", audit)


def _write_failure(current: _Run, status: str, problem: KelpError) -> None:
    _write_summary(current, current.facts(status, problem))
    _point_latest(current.folder)


def _write_summary(current: _Run, facts: dict[str, Any]) -> tuple[Summary, dict[str, Path]]:
    """Writes summary and report, and gives the summary and where both are."""
    from pipelines.runs.collect import complete
    from report.render import write_report

    with captured(current.log("Summary")):
        kept = current.folder / _AUDIT_FOLDER
        more = {"data_verdict": kept} if kept.is_dir() else {}
        content = complete(current.loaded, facts, current.outputs, more)
        places = {"summary": write_result(current.folder, content)}
        try:
            places["report"] = write_report(current.folder, content, content.folders)
        except Exception:  # a page must cost neither the run nor the sight of its error
            logging.getLogger(__name__).exception("the report could not be written")
        else:
            _track_report(current, content.mlflow, places["report"])
    return content, places


def _track_report(current: _Run, tracked: MlflowRun | None, page: Path) -> None:
    """Adds the report to the run that the Tracker has logged to MLflow, if it has."""
    if current.cached.get("Tracker", True) or not tracked or not tracked.run_id:
        return
    try:
        log_report(tracked.uri, tracked.run_id, tracked.artifacts, page)
    except Exception:  # MLflow raises its own, its server's and its database's
        logging.getLogger(__name__).exception("MLflow took no report")


def _resume(current: _Run) -> str:
    command = ["kelp", "run", str(current.loaded.path), "--from", current.current.partition(",")[0]]
    return shlex.join([*command, *current.loaded.overrides])


def _point_latest(folder: Path) -> None:
    temporary = folder.parent / f".latest-{folder.name}"
    temporary.symlink_to(folder.name)
    temporary.replace(folder.parent / "latest")


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
