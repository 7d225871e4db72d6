"""A Spark cluster on this machine: a master, and workers of one core each.

The distribution is a folder with Spark's `jars`: of Apache's archive, or of the package pyspark.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.flink_cluster import free_ports, process_cpu, running, wait_for


@dataclass(frozen=True)
class SparkCluster:
    """A cluster that runs.

    Attributes:
      master: Its address.
      pids: Its master, then its workers.
    """

    master: str
    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """The CPU seconds of all its processes so far, and of the executors that have ended."""
        return sum(map(process_cpu, self.pids))


@contextmanager
def spark_cluster(distribution: Path, workers: int, folder: Path) -> Iterator[SparkCluster]:
    """Starts a cluster on the loopback address, and ends it.

    Args:
      distribution: The folder with Spark's `jars`.
      workers: How many, of one core each.
      folder: Where logs and the workers' files go.

    Raises:
      SystemExit: It did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, page = free_ports(2)
    address = f"spark://127.0.0.1:{port}"
    # Beam's Spark is of this Scala.
    variables = [f"SPARK_HOME={distribution.absolute()}", "SPARK_SCALA_VERSION=2.12"]
    java = ["env", *variables, "SPARK_LOCAL_IP=127.0.0.1", "java"]
    java += ["-Xmx256m", "-cp", f"{distribution}/jars/*"]
    place = ["--host", "127.0.0.1"]
    master = ["org.apache.spark.deploy.master.Master", *place, "--port", str(port)]
    with ExitStack() as stack:

        def start(name: str, *words: str) -> int:
            return stack.enter_context(running([*java, *words], folder / f"{name}.log")).pid

        pids = [start("master", *master, "--webui-port", str(page))]
        for index in range(workers):
            size = ["--cores", "1", "--memory", "2g", "--webui-port", "0"]
            size += ["--work-dir", str(folder / f"work-{index}"), *place]
            name = "org.apache.spark.deploy.worker.Worker"
            pids.append(start(f"worker-{index}", name, *size, address))
        wait_for("Spark", f"http://127.0.0.1:{page}/json/", "aliveworkers", workers, folder)
        yield SparkCluster(address, tuple(pids))
