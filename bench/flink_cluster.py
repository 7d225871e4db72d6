"""A Flink cluster on this machine: a job manager and task managers of one slot each.

The distribution is a folder with Flink's `lib`: of Apache's archive, or `deps` of the package
apache-flink-libraries. Beam's job server is beside it, so that a worker of Beam's is kept for all
stages of a pipeline: Flink unloads what came with a job, and Beam ends its workers then.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_MAIN = "org.apache.flink.runtime."
_JOB_MANAGER = f"{_MAIN}entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = f"{_MAIN}taskexecutor.TaskManagerRunner"
# Flink reads what Java 17 hides.
_OPENED = ("lang", "lang.reflect", "net", "io", "nio", "text", "time", "util", "util.concurrent")
_JAVA_OPTIONS = [
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
]
_START_S = 90.0


@dataclass(frozen=True)
class FlinkCluster:
    """A cluster that runs.

    Attributes:
      master: The address of its REST API.
      processes: Its job manager, then its task managers.
    """

    master: str
    processes: tuple[subprocess.Popen[bytes], ...]

    def cpu_seconds(self) -> float:
        """The CPU seconds of all its processes so far."""
        return sum(process_cpu(process.pid) for process in self.processes)


@contextmanager
def flink_cluster(
    distribution: Path, job_server: Path, task_managers: int, folder: Path
) -> Iterator[FlinkCluster]:
    """Starts a cluster on the loopback address, and ends it.

    Args:
      distribution: The folder with Flink's `lib`.
      job_server: Beam's, which would be in this `lib` otherwise.
      task_managers: How many, of one slot each.
      folder: Where configuration and logs go.

    Raises:
      SystemExit: It did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rpc, rest = free_ports(2)
    (folder / "config.yaml").write_text(_configuration(rpc, rest), encoding="utf-8")
    with ExitStack() as stack:
        names = [_JOB_MANAGER] + [_TASK_MANAGER] * task_managers
        classes = f"{distribution}/lib/*:{job_server}"
        processes = tuple(
            stack.enter_context(_process(classes, name, folder, index))
            for index, name in enumerate(names)
        )
        cluster = FlinkCluster(f"127.0.0.1:{rest}", processes)
        page = f"http://{cluster.master}/overview"
        check = partial(_check_processes, cluster, folder)
        wait_for("Flink", page, "slots-total", task_managers, folder, check)
        yield cluster


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to a file, and that ends with the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def process_cpu(pid: int) -> float:
    """The CPU seconds of a process and of those children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _process(
    classes: str, name: str, folder: Path, index: int
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    command = ["java", "-Xmx512m", *_JAVA_OPTIONS, "-cp", classes, name]
    return running([*command, "--configDir", str(folder)], folder / f"process-{index}.log")


def _configuration(rpc: int, rest: int) -> str:
    """What is the same for all processes; ports that are not named are free ones."""
    return f"""\
classloader.resolve-order: parent-first
jobmanager.rpc.address: 127.0.0.1
jobmanager.bind-host: 127.0.0.1
jobmanager.rpc.port: {rpc}
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest}
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: 1
taskmanager.cpu.cores: 1
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 64m
taskmanager.memory.network.min: 256m
taskmanager.memory.network.max: 256m
taskmanager.network.sort-shuffle.min-buffers: 32
taskmanager.memory.managed.size: 128m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
"""


def _check_processes(cluster: FlinkCluster, folder: Path) -> None:
    for index, process in enumerate(cluster.processes):
        if process.poll() is not None:
            log = (folder / f"process-{index}.log").read_text(errors="replace")
            raise SystemExit(f"Flink did not start:\n{log[-1500:]}")


def wait_for(
    name: str,
    page: str,
    key: str,
    count: int,
    folder: Path,
    check: Callable[[], None] = lambda: None,
    *,
    timeout_s: float = _START_S,
) -> None:
    """Waits until a page of a cluster counts as many workers as there have to be.

    Args:
      name: Of the engine, for the error.
      page: The URL of the page, a JSON object.
      key: Of the page, where the workers are counted.
      count: How many there have to be.
      folder: Where the logs are.
      check: Called before each look at the page; it may raise.
      timeout_s: How long it may take.

    Raises:
      SystemExit: There are fewer after that time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        check()
        # Until the cluster listens, connections are refused.
        with suppress(OSError), urllib.request.urlopen(page, timeout=5) as answer:
            if json.load(answer)[key] >= count:
                return
        time.sleep(0.3)
    raise SystemExit(f"{name} has not started after {timeout_s:.0f} s: see {folder}")
