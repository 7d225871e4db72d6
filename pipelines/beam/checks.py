"""What a run on a cluster needs: Java, the job server, the cluster."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from contracts.errors import EnvironmentProblem
from contracts.files import file_digest
from contracts.storage.location import is_remote
from contracts.text import count
from pipelines.beam.jars import (
    beam_version,
    fetch_command,
    job_server_jar,
    version_of,
)
from pipelines.beam.spec import (
    BeamSpec,
    ClusterBeam,
    DataflowBeam,
    ExternalWorkers,
    FlinkBeam,
    LocalBeam,
    ProcessWorkers,
)

_TIMEOUT_S = 5.0
_OLDEST_JAVA = 11
_JAVA_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')
_FLINK_IN_NAME = re.compile(r"-flink-(\d+\.\d+)-")
Check = tuple[str, Callable[[], str]]


def beam_checks(spec: BeamSpec, runs: str) -> list[Check]:
    """Gives the name of each thing to look at, and the function that looks.

    The function gives what it found in a few words, or raises an EnvironmentProblem.

    Args:
      spec: The key `beam` of the config.
      runs: The folder of the runs, which every worker reads and writes.
    """
    if isinstance(spec, LocalBeam):
        return []
    if isinstance(spec, DataflowBeam):
        return list(_dataflow_checks(spec, runs))
    return list(_cluster_checks(spec, runs))


def require_beam(spec: BeamSpec, runs: str) -> None:
    """Raises the first thing that is wrong, before any component starts.

    Raises:
      EnvironmentProblem: A run with these keys cannot work.
    """
    for _, look in beam_checks(spec, runs):
        look()


def _cluster_checks(spec: ClusterBeam, runs: str) -> Iterator[Check]:
    server = spec.job_server
    if not spec.is_here and is_remote(runs):
        yield "runs", lambda: _require_shared_folder(spec, runs)
    if server.endpoint is not None:
        yield "job server", lambda: _answers(server.endpoint or "", "beam.job_server.endpoint")
    else:
        yield "java", lambda: _java(server.java)
        yield "job server", lambda: _jar(spec)
    if isinstance(spec, FlinkBeam) and not spec.is_local:
        yield "flink", lambda: _flink(spec)
    elif not spec.is_local:
        yield "spark", lambda: _answers(spec.master.removeprefix("spark://"), "beam.master")
    workers = spec.environment
    if isinstance(workers, ExternalWorkers):
        yield "workers", lambda: _answers(workers.address, "beam.environment.address")
    elif isinstance(workers, ProcessWorkers) and spec.is_local:
        yield "workers", lambda: _command(workers.command)


def _require_shared_folder(spec: ClusterBeam, runs: str) -> str:
    raise EnvironmentProblem(
        f"The workers of {spec.master} cannot see what a node works on.",
        where=f"key runs: {runs}",
        expected="a folder that this machine and the cluster's nodes mount at the same path",
        received="a bucket, of which each node of the pipeline makes a local copy",
        fix="set runs to a shared folder, or use a cluster on this machine",
    )


def _java(launcher: str) -> str:
    wanted = f"Java {_OLDEST_JAVA} or newer"
    fix = "apt-get install openjdk-17-jre-headless, or name another in beam.job_server.java"
    if shutil.which(launcher) is None:
        raise EnvironmentProblem(
            "Beam's job server needs Java, and there is none.",
            where=f"key beam.job_server.java: {launcher}",
            expected=wanted,
            received="no such command",
            fix=fix,
        )
    done = subprocess.run([launcher, "-version"], check=False, capture_output=True, text=True)
    stated = _JAVA_VERSION.search(done.stderr + done.stdout)
    # Until Java 8 the version was 1.8.
    version = int(stated[2] if stated[1] == "1" and stated[2] else stated[1]) if stated else 0
    if version < _OLDEST_JAVA:
        raise EnvironmentProblem(
            "Java is too old for Beam's job server.",
            where=f"key beam.job_server.java: {launcher}",
            expected=wanted,
            received=f"Java {version}" if stated else "a command that states no version of Java",
            fix=fix,
        )
    return f"Java {version}"


def _jar(spec: ClusterBeam) -> str:
    jar, fix = job_server_jar(spec), fetch_command(spec)
    key = "key beam.job_server.jar"
    if not jar.is_file():
        raise EnvironmentProblem(
            "Beam's job server is missing.",
            where=f"{key}: {jar}",
            expected=f"the job server of Beam {beam_version()}",
            received="no such file",
            fix=fix,
        )
    version = version_of(jar)
    if version != beam_version():
        raise EnvironmentProblem(
            "The job server is of another version than Beam in Python.",
            where=f"{key}: {jar}",
            expected=f"Beam {beam_version()}, as is installed here",
            received=f"Beam {version}" if version else "a jar without Beam's SDK in it",
            fix=fix,
        )
    _require_flink_version(spec, jar)
    if spec.job_server.sha256 is not None:
        digest = file_digest(jar)
        if digest != spec.job_server.sha256:
            raise EnvironmentProblem(
                "The job server is not the file that the config names.",
                where=f"key beam.job_server.sha256: {jar}",
                expected=spec.job_server.sha256,
                received=digest,
                fix=f"remove the file, then {fix}; or correct the key",
            )
    return f"{jar.name}: Beam {version}"


def _require_flink_version(spec: ClusterBeam, jar: Path) -> None:
    """Beam has a job server for each version of Flink, and says which in the file's name."""
    named = _FLINK_IN_NAME.search(jar.name)
    if isinstance(spec, FlinkBeam) and named and named[1] != spec.version:
        raise EnvironmentProblem(
            "The job server is for another version of Flink.",
            where=f"key beam.job_server.jar: {jar}",
            expected=f"Flink {spec.version}, as beam.version says",
            received=f"Flink {named[1]}",
            fix=f"{fetch_command(spec)}, or beam.version={named[1]}",
        )


def _flink(spec: FlinkBeam) -> str:
    address = spec.master if "://" in spec.master else f"http://{spec.master}"
    overview = _overview(spec.master, f"{address}/overview")
    version, slots = str(overview["flink-version"]), int(overview["slots-total"])
    managers = int(overview["taskmanagers"])
    if not version.startswith(f"{spec.version}."):
        raise EnvironmentProblem(
            "The cluster has another version of Flink.",
            where=f"key beam.master: {spec.master}",
            expected=f"Flink {spec.version}, as beam.version says",
            received=f"Flink {version}",
            fix=f"set beam.version to {version.rpartition('.')[0]} and get its job server",
        )
    needed = spec.parallelism or 1
    if slots < needed:
        raise EnvironmentProblem(
            "The cluster has too few task slots.",
            where=f"key beam.parallelism: {needed}",
            expected=count(needed, "task slot"),
            received=f"{count(slots, 'slot')} on {count(managers, 'task manager')}",
            fix="start more task managers, or lower beam.parallelism",
        )
    free = int(overview["slots-available"])
    return f"Flink {version}, {count(managers, 'task manager')}, {free} of {slots} slots free"


def _overview(master: str, url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            content: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise EnvironmentProblem(
            "Flink's master does not answer.",
            where=f"key beam.master: {master}",
            expected="the REST API of a job manager, by default at port 8081",
            received=str(reason),
            fix="start the cluster, correct beam.master, or beam.master=[local] for this machine",
        ) from error
    if not {"flink-version", "slots-total", "slots-available", "taskmanagers"} <= content.keys():
        raise EnvironmentProblem(
            "What answers at beam.master is not Flink.",
            where=f"key beam.master: {master}",
            expected="the REST API of a job manager, by default at port 8081",
            received=f"an answer with {', '.join(sorted(content)[:5]) or 'nothing'}",
            fix="correct beam.master",
        )
    return content


def _answers(address: str, key: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _TIMEOUT_S):
            return f"{address}: answers"
    except OSError as error:
        raise EnvironmentProblem(
            f"Nothing answers at {address}.",
            where=f"key {key}: {address}",
            expected="a server that accepts connections",
            received=str(error),
            fix=f"start it, or correct {key}",
        ) from error


def _command(command: str) -> str:
    if shutil.which(command) is None:
        raise EnvironmentProblem(
            "The command of the workers is not there.",
            where=f"key beam.environment.command: {command}",
            expected="a program that starts Beam's Python worker",
            received="no such command",
            fix="correct the path; see docs/beam.md for what the program does",
        )
    return command


def _dataflow_checks(spec: DataflowBeam, runs: str) -> Iterator[Check]:
    yield "dataflow", _refuse_dataflow
    yield "google cloud", _google_packages
    yield "credentials", _google_credentials
    yield "storage", lambda: _on_bucket(spec, runs)


def _refuse_dataflow() -> str:
    raise EnvironmentProblem(
        "Kelp cannot run on Dataflow yet.",
        where="key beam.runner: dataflow",
        expected="local, flink or spark",
        received="dataflow, whose workers cannot see the local copies that a node works on",
        fix="choose another runner; docs/beam.md says what has been tried where",
    )


def _google_packages() -> str:
    missing = [name for name in ("google.auth", "google.cloud.storage") if not _is_there(name)]
    if missing:
        raise EnvironmentProblem(
            "Dataflow needs Google's packages.",
            where="beam.runner: dataflow",
            expected="apache-beam with its extra gcp",
            received=f"no {' and no '.join(missing)}",
            fix=f"pip install 'apache-beam[gcp]=={beam_version()}'",
        )
    return f"Beam {beam_version()} with Google's packages"


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        return False


def _google_credentials() -> str:
    variable = "GOOGLE_APPLICATION_CREDENTIALS"
    named = os.environ.get(variable)
    default = Path.home() / ".config" / "gcloud" / "application_default_credentials.json"
    path = Path(named) if named else default
    if not path.is_file():
        raise EnvironmentProblem(
            "There are no credentials for Google Cloud.",
            where=f"variable {variable}" if named else str(default),
            expected="a file of credentials",
            received=f"{path}: no such file",
            fix=f"gcloud auth application-default login, or set {variable}",
        )
    return f"{variable if named else 'the default'}: there"


def _on_bucket(spec: DataflowBeam, runs: str) -> str:
    if not runs.startswith("gs://"):
        raise EnvironmentProblem(
            "Dataflow's workers cannot see a folder of this machine.",
            where=f"key runs: {runs}",
            expected="a folder of a bucket, gs://BUCKET/FOLDER",
            received=runs,
            fix="put data and runs into a bucket of Google Cloud Storage",
        )
    return f"{runs}, {spec.temp_location}"
