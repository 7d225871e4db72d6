"""Runs the graph on this machine: a line a component, a log a component, one summary."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shlex
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from rich.console import Console

from components.jsonfile import write_json
from components.tracker.config import RUN_VARIABLE
from models.errors import ConfigError, EnvironmentProblem, GateError, KelpError
from pipelines import summary
from pipelines._capture import PeakMemory, captured, terminal
from pipelines._conclusion import exit_status, last_line
from pipelines._failures import explain
from pipelines._progress import Progress
from pipelines._record import record
from pipelines._text import nearest
from pipelines.config import LoadedConfig

if TYPE_CHECKING:
    from pipelines._nodes import NodeRunner, Outputs

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "1", "GRPC_VERBOSITY": "ERROR", "TF_USE_LEGACY_KERAS": "0"}
INTERRUPTED = 130
FAILED = 1
_AUDIT_FOLDER = "data_verdict"


@dataclass
class _Run:
    """One run, as far as it has come."""

    loaded: LoadedConfig
    root: Path
    folder: Path
    start: str | None
    began: float = field(default_factory=time.monotonic)
    started: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat())
    seconds: dict[str, float] = field(default_factory=dict)
    cached: dict[str, bool] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, Outputs] = field(default_factory=dict)
    current: str = "Setup"

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
            "seconds": self.seconds,
            "cached": self.cached,
            "peak_memory_mib": self.memory,
        }


def run(
    loaded: LoadedConfig,
    start: str | None = None,
    use_cache: bool = True,
    *,
    require_blessing: bool = False,
) -> int:
    """Runs a config's pipeline and gives the exit status.

    Args:
      loaded: The validated config.
      start: Do this component, and what depends on it, again; take the rest from the cache.
      use_cache: Whether unchanged work may be taken from earlier runs.
      require_blessing: Whether a candidate that is not blessed is an exit status.
    """
    os.environ.update({key: value for key, value in _QUIET.items() if key not in os.environ})
    root = Path(loaded.config.runs).resolve() / loaded.config.name
    with _alone(root):
        current = _Run(loaded, root, _new_folder(root), start)
        with terminal() as stream, _terminable():
            console = Console(file=stream)
            try:
                _run_nodes(current, console, use_cache)
            except BaseException as error:  # noqa: BLE001 (told to the reader; its trace is kept)
                return _fail(current, error)
            return _succeed(current, console, require_blessing)


def _new_folder(root: Path) -> Path:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    numbered = (f"{stamp}-{number}" for number in itertools.count(2))
    folders = (root / name for name in itertools.chain([stamp], numbered))
    folder = next(folder for folder in folders if not folder.exists())
    try:
        (folder / "logs").mkdir(parents=True)
    except OSError as error:
        raise _unwritable(root, error) from error
    return folder


def _unwritable(root: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        "The run folder cannot be written.",
        where=f"{root} (config key runs)",
        expected="a folder with room that this user may write",
        received=str(error),
        fix="make room, mend the permissions, or choose another folder with runs=FOLDER",
    )


def _run_nodes(current: _Run, console: Console, use_cache: bool) -> None:
    progress = Progress(console)
    record(current.loaded, current.folder)
    os.environ[RUN_VARIABLE] = f"{current.root.name}/{current.folder.name}"
    with progress.working("Setup"), captured(current.log("Setup")):
        runner, nodes = _prepare(current, use_cache)
    progress.expect(node.node_info.id for node in nodes)
    for node in nodes:
        name = node.node_info.id
        current.current = name
        began = time.monotonic()
        with progress.working(name), PeakMemory() as memory, captured(current.log(name)):
            result = runner.run(node)
        current.seconds[name] = round(time.monotonic() - began, 2)
        current.cached[name] = result.cached
        current.memory[name] = round(memory.mib)
        current.outputs[name] = result.outputs
        progress.done(name, current.seconds[name], result.cached, _rows(current), memory.mib)


def _prepare(current: _Run, use_cache: bool) -> tuple[NodeRunner, list[Any]]:
    # Here and not above: TFX takes seconds to import, and says much while it does.
    from pipelines._compile import compile_nodes
    from pipelines._nodes import NodeRunner
    from pipelines.graph import create_pipeline

    pipeline = create_pipeline(current.loaded, current.root)
    compiled = compile_nodes(pipeline, current.folder.name)
    nodes = [node.pipeline_node for node in compiled.nodes]
    for node in nodes:
        caching = node.execution_options.caching_options
        caching.enable_cache = use_cache
    if current.start is not None:
        for name in _from(current.start, nodes):
            node = next(item for item in nodes if item.node_info.id == name)
            node.execution_options.caching_options.enable_cache = False
    runner = NodeRunner(compiled)
    runner.forget_lost_work()
    return runner, nodes


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
    chosen = {start}
    for node in nodes:  # in topological order
        if set(node.upstream_nodes) & chosen:
            chosen.add(node.node_info.id)
    return chosen


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
    interrupted = _is_interruption(error)
    log = _short(current.log(current.current))
    problem = (
        KelpError(
            f"Interrupted during {current.current}; nothing half made was kept.",
            where=current.current,
        )
        if interrupted
        else explain(error, current.current, log)
    )
    lines = problem.lines()
    with contextlib.suppress(OSError):  # a full disk must not hide the error itself
        trace.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
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


def _keep_audit(current: _Run, error: BaseException) -> None:
    """TFX discards what a failed component wrote; the audit is why it failed."""
    if isinstance(error, GateError) and error.audit is not None:
        write_json(current.folder / _AUDIT_FOLDER / "audit.json", error.audit)


def _write_failure(current: _Run, status: str, problem: KelpError) -> None:
    _write_summary(current, current.facts(status, problem))
    _point_latest(current.folder)


def _write_summary(current: _Run, facts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Path]]:
    """Writes summary and report, and gives the summary and where both are."""
    from components.reporter.render import write_report
    from pipelines._collect import complete

    with captured(current.log("Summary")):
        content = complete(current.loaded, facts, current.outputs)
        kept = current.folder / _AUDIT_FOLDER
        if kept.is_dir():
            content["folders"]["data_verdict"] = str(kept)
        places = {"summary": summary.write(current.folder, content)}
        try:
            places["report"] = write_report(current.folder, content, content["folders"])
        except Exception:  # a page must cost neither the run nor the sight of its error
            logging.getLogger(__name__).exception("the report could not be written")
    return content, places


def _is_interruption(error: BaseException) -> bool:
    return isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Interrupted"


def _resume(current: _Run) -> str:
    command = ["kelp", "run", str(current.loaded.path), "--from", current.current]
    return shlex.join([*command, *current.loaded.overrides])


def _point_latest(folder: Path) -> None:
    temporary = folder.parent / f".latest-{folder.name}"
    temporary.symlink_to(folder.name)
    temporary.replace(folder.parent / "latest")


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keeps a second run of the same pipeline out of its metadata store.

    Raises:
      EnvironmentProblem: another run is under way.
    """
    lock = FileLock(root / ".lock")
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise EnvironmentProblem(
            "Another run of this pipeline is under way.",
            where=str(root),
            expected="one run at a time in a run folder",
            fix="wait for it to end, or give this run folders of its own: runs=FOLDER",
        ) from error
    except OSError as error:
        raise _unwritable(root, error) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Makes SIGTERM end a run as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
