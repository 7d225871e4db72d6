"""The flights on a cluster beside the local runner: the same rows, statistics and moments.

Run as `python -m bench.cluster --flink FOLDER`, the folder being a distribution's with `lib` in
it, or `--spark FOLDER`, with `jars` in it. Starts a cluster, first with one task manager or worker,
then with two, each with a worker process of Beam's, on the loopback address. With `--endpoint` the
job server that is there is used, whatever is behind it, and no cluster is started. Wall seconds are
those of a component with its process; what runs beside the bench counts in them, so CPU seconds are
printed too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.flink_cluster import flink_cluster, free_ports, running
from bench.spark_cluster import spark_cluster
from contracts.errors import KelpError
from pipelines.beam.checks import require_beam
from pipelines.beam.jars import job_server_jar
from pipelines.beam.spec import ClusterBeam, FlinkBeam, SparkBeam

CONFIG = "configs/flights.yaml"
NODES = ("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataGate", "Transform")
ON_BEAM = ("ExampleGen", "StatisticsGen", "Transform")
RATIO_GOAL = 1.6
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Measured:
    """What the nodes took somewhere, and where their artifacts are."""

    name: str
    seconds: dict[str, float]
    outputs: dict[str, dict[str, list[str]]]
    cpu: float

    @property
    def on_beam(self) -> float:
        """The wall seconds of the components that Beam runs."""
        return sum(self.seconds[node] for node in ON_BEAM)


def main() -> int:
    """Prints the figures; gives 1 where results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flink", type=Path, metavar="FOLDER", help="with Flink's lib in it")
    parser.add_argument("--spark", type=Path, metavar="FOLDER", help="with Spark's jars in it")
    parser.add_argument("--endpoint", metavar="HOST:PORT", help="a job server that runs already")
    parser.add_argument("--spans", default="all", help="months of the flights, such as 1")
    parser.add_argument("--measure", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", help="config overrides, key.sub=value")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(vars(measure(arguments.measure, arguments.overrides))))
        return 0
    if sum(map(bool, (arguments.flink, arguments.spark, arguments.endpoint))) != 1:
        parser.error("give one of --flink FOLDER, --spark FOLDER and --endpoint HOST:PORT")
    if not arguments.endpoint:
        flink, spark = FlinkBeam(runner="flink"), SparkBeam(runner="spark")
        _require_job_server(flink if arguments.flink else spark)
    with tempfile.TemporaryDirectory(prefix="kelp-bench-") as scratch:
        return _compare(Path(scratch), arguments)


def _require_job_server(spec: ClusterBeam) -> None:
    """Ends the bench before the local run where the cluster could not follow it."""
    try:
        require_beam(spec, "runs")
    except KelpError as error:
        raise SystemExit("\n".join(error.lines())) from error


def _compare(folder: Path, arguments: argparse.Namespace) -> int:
    _kelp("data", "flights", "--out", str(folder / "data"))
    overrides = [f"data.spans={arguments.spans}", *arguments.overrides]
    local = _in_process("local", folder, overrides)
    if arguments.endpoint:
        keys = ["beam.runner=flink", f"beam.job_server.endpoint={arguments.endpoint}"]
        others = [_in_process("job server", folder, [*overrides, *keys])]
    else:
        others = [_on_cluster(folder, arguments, count, overrides) for count in (1, 2)]
    for one in (local, *others):
        parts = "  ".join(f"{node} {one.seconds[node]:.1f} s" for node in ON_BEAM)
        print(f"{one.name:<18}{parts}  together {one.on_beam:.1f} s, {one.cpu:.0f} CPU s")
    if len(others) == 2:
        ratio = others[0].on_beam / others[1].on_beam
        print(f"two nodes: {ratio:.2f} times as fast as one (goal {RATIO_GOAL:g})")
    good = True
    for one in others:
        for what, difference in differences(local, one):
            good = good and not difference
            print(f"{one.name:<18}{what:<34}{difference or 'the same'}")
    return 0 if good else 1


def _on_cluster(
    folder: Path, arguments: argparse.Namespace, count: int, overrides: list[str]
) -> Measured:
    keys: dict[str, Any]
    if arguments.flink:
        name, logs = f"{count} task manager{'s' if count > 1 else ''}", folder / f"flink-{count}"
        server = job_server_jar(FlinkBeam(runner="flink"))
        started = flink_cluster(arguments.flink, server, count, logs)
        keys = {"runner": "flink", "parallelism": count}
    else:
        name, logs = f"{count} Spark worker{'s' if count > 1 else ''}", folder / f"spark-{count}"
        started = spark_cluster(arguments.spark, count, logs)
        keys = {"runner": "spark"}
    with started as cluster, _worker_pool(logs) as pool:
        keys |= {"master": cluster.master, "environment": {"type": "EXTERNAL", "address": pool}}
        measured = _in_process(name, folder, [*overrides, f"beam={json.dumps(keys)}"])
        return dataclasses.replace(measured, cpu=measured.cpu + cluster.cpu_seconds())


@contextmanager
def _worker_pool(logs: Path) -> Iterator[str]:
    """Starts a process for each worker that a task manager asks for."""
    (port,) = free_ports(1)
    worker = Path(sys.executable).with_name("kelp-beam-worker")
    with running([str(worker), f"--pool={port}"], logs / "pool.log"):
        yield f"127.0.0.1:{port}"


def _kelp(*arguments: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("kelp")), *arguments], check=True)


def _in_process(name: str, folder: Path, overrides: list[str]) -> Measured:
    own = [
        f"data.path={folder}/data/span-{{SPAN}}/*.parquet",
        f"runs={folder / name.replace(' ', '-')}",
    ]
    command = [sys.executable, "-m", "bench.cluster", "--measure", name, *own, *overrides]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: the nodes failed")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def measure(name: str, overrides: list[str]) -> Measured:
    """Runs the nodes up to Transform, each in a process of its own.

    Args:
      name: What the figures are of.
      overrides: Of the config.
    """
    from pipelines import cli
    from pipelines.config.problem import load_config
    from pipelines.execution.graph import pipeline_root
    from pipelines.runs.node_record import read_record

    root = pipeline_root(load_config(Path(CONFIG), overrides))
    seconds, outputs = {}, {}
    for node in NODES:
        if cli.main(["node", "run", CONFIG, node, *overrides, "--run-id", "bench"]):
            raise SystemExit(1)
        record = read_record(Path(str(root)) / "bench", node)
        if record is None or record.seconds is None:
            raise SystemExit(f"{node} left no record")
        seconds[node], outputs[node] = record.seconds, dict(record.outputs)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Measured(name, seconds, outputs, sum(one.ru_utime + one.ru_stime for one in used))


def differences(here: Measured, there: Measured) -> Iterator[tuple[str, str]]:
    """Compares the artifacts of two places: what was compared, and how it differs, if it does."""
    examples = [Path(one.outputs["ExampleGen"]["examples"][0]) for one in (here, there)]
    yield "rows of each split, by value", _rows_differ(*examples)
    statistics = [Path(one.outputs["StatisticsGen"]["statistics"][0]) for one in (here, there)]
    yield f"statistics, to {TOLERANCE:g}", statistics_differ(*statistics)
    graphs = [Path(one.outputs["Transform"]["transform_graph"][0]) for one in (here, there)]
    yield "vocabularies", _vocabularies_differ(*graphs)
    yield f"constants of Transform, to {TOLERANCE:g}", _constants_differ(*graphs)


def _rows_differ(here: Path, there: Path) -> str:
    from bench.example_gen import row_hashes

    for split in sorted(path.name for path in here.glob("Split-*")):
        mine, theirs = (row_hashes(folder, split) for folder in (here, there))
        if len(mine) != len(theirs) or not (mine == theirs).all():
            return f"{split}: {len(mine)} and {len(theirs)} rows"
    return ""


def statistics_differ(here: Path, there: Path) -> str:
    """Gives the first statistic that differs by more than the tolerance."""
    from google.protobuf import json_format
    from tensorflow_metadata.proto.v0 import statistics_pb2

    for file in sorted(here.glob("Split-*/FeatureStats.pb")):
        pair = [
            json_format.MessageToDict(
                statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
            )
            for path in (file, there / file.relative_to(here))
        ]
        difference = _first_difference(*pair, str(file.parent.name))
        if difference:
            return difference
    return ""


def _first_difference(mine: Any, theirs: Any, place: str) -> str:
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.keys() == theirs.keys():
        inner = [(mine[key], theirs[key], f"{place}.{key}") for key in mine]
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        mine, theirs = (_in_order(one) for one in (mine, theirs))
        inner = [
            (a, b, f"{place}[{at}]") for at, (a, b) in enumerate(zip(mine, theirs, strict=True))
        ]
    elif isinstance(mine, float | int) and isinstance(theirs, float | int):
        close = abs(mine - theirs) <= TOLERANCE * max(1.0, abs(mine))
        return "" if close else f"{place}: {mine!r} and {theirs!r}"
    else:
        return "" if mine == theirs else f"{place}: {mine!r:.60} and {theirs!r:.60}"
    return next(filter(None, (_first_difference(*one) for one in inner)), "")


def _in_order(values: list[Any]) -> list[Any]:
    """Features have a name, and come in the order in which workers met them."""
    named = all(isinstance(one, dict) and "path" in one for one in values)
    return sorted(values, key=lambda one: str(one["path"])) if named else values


def _vocabularies_differ(here: Path, there: Path) -> str:
    assets = Path("transform_fn", "assets")
    mine, theirs = (
        {file.name: file.read_bytes() for file in (graph / assets).glob("*")}
        for graph in (here, there)
    )
    if not mine:
        return "there are none"
    if mine.keys() != theirs.keys():
        return f"{sorted(mine)} and {sorted(theirs)}"
    return next((f"{name} differs" for name in mine if mine[name] != theirs[name]), "")


def _constants_differ(here: Path, there: Path) -> str:
    """Compares the graphs' constants: means, deviations, bounds of buckets."""
    import numpy as np

    mine, theirs = (_constants(graph / "transform_fn") for graph in (here, there))
    if mine.keys() != theirs.keys():
        return f"{len(mine)} and {len(theirs)} constants"
    for name, value in mine.items():
        other = theirs[name]
        if value.shape != other.shape or not np.allclose(
            value, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
        ):
            return f"{name}: {value!r:.60} and {other!r:.60}"
    return "" if mine else "there are none"


def _constants(folder: Path) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    nodes = [
        (function.signature.name, node)
        for function in graph.library.function
        for node in function.node_def
    ] + [("", node) for node in graph.node]
    constants = {}
    for function, node in nodes:
        if node.op == "Const":
            value = tf.make_ndarray(node.attr["value"].tensor)
            if np.issubdtype(value.dtype, np.floating):
                # TensorFlow numbers its functions as it goes.
                constants[f"{function.rpartition('_')[0]}/{node.name}"] = value
    return constants


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
