"""Beam's job servers: their names, their files, their versions, and how to get them."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from contracts.errors import EnvironmentProblem
from pipelines.beam.spec import ClusterBeam, FlinkBeam

FOLDER = Path("jars")
_GROUP = "org.apache.beam"
# A file of Beam's Java SDK, which every job server holds.
_PROPERTIES = "org/apache/beam/sdk/sdk.properties"
_VERSION = re.compile(rb"^version\s*[=:]\s*(\S+)", re.MULTILINE)


def beam_version() -> str:
    """The version of Beam that is installed: job servers of other versions do not understand it."""
    return importlib.metadata.version("apache-beam")


def artifact_name(runner: str, version: str) -> str:
    """Gives the name of a job server at Maven, such as beam-runners-flink-1.20-job-server."""
    return f"beam-runners-{runner}-{version}-job-server"


def jar_path(runner: str, version: str, folder: Path = FOLDER) -> Path:
    """Gives where `kelp beam fetch` writes a job server."""
    return folder / f"{artifact_name(runner, version)}-{beam_version()}.jar"


def job_server_jar(spec: ClusterBeam) -> Path:
    """Gives the job server of a config, whether it is there or not."""
    named = spec.job_server.jar
    path = Path(named) if named else jar_path(spec.runner, spec.version)
    return path.absolute()


def fetch_command(spec: ClusterBeam) -> str:
    """Gives the command that gets the job server of a config."""
    command = f"kelp beam fetch {spec.runner}"
    return f"{command} --version {spec.version}" if isinstance(spec, FlinkBeam) else command


def version_of(jar: Path) -> str | None:
    """Gives the version of Beam's SDK in a job server; None where it does not say.

    Raises:
      EnvironmentProblem: It is no jar, or a damaged one.
    """
    try:
        with zipfile.ZipFile(jar) as archive:
            if _PROPERTIES not in archive.namelist():
                return None
            stated = _VERSION.search(archive.read(_PROPERTIES))
    except (OSError, zipfile.BadZipFile) as error:
        raise EnvironmentProblem(
            f"{jar.name} is not a jar, or is damaged",
            where=str(jar),
            expected="a job server of Beam's",
            received=str(error),
            fix="remove it, and get it again by `kelp beam fetch`",
        ) from error
    return stated[1].decode("ascii", errors="replace") if stated else None


def fetch(runner: str, version: str, folder: Path) -> Path:
    """Gets a job server by Maven, which verifies its checksum; gives where it is.

    Raises:
      EnvironmentProblem: There is no Maven, or it cannot get the file.
    """
    path = jar_path(runner, version, folder)
    if path.is_file():
        return path
    maven = shutil.which("mvn")
    wanted = f"{_GROUP}:{artifact_name(runner, version)}:{beam_version()}"
    if maven is None:
        raise EnvironmentProblem(
            "There is no Maven to get the job server with.",
            where="mvn",
            expected=f"Maven on the PATH, or {path} from elsewhere",
            fix="apt-get install maven; or, where Maven is: mvn dependency:copy "
            f"-Dartifact={wanted} -DoutputDirectory={FOLDER}",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        done = subprocess.run(
            [
                maven,
                "--batch-mode",
                "--strict-checksums",
                "dependency:copy",
                f"-Dartifact={wanted}",
                f"-DoutputDirectory={Path(scratch).absolute()}",
            ],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        fetched = next(Path(scratch).glob("*.jar"), None)
        if done.returncode or fetched is None:
            raise _not_fetched(wanted, path, done.stdout + done.stderr)
        fetched.replace(path)
    return path


def _not_fetched(wanted: str, path: Path, output: str) -> EnvironmentProblem:
    errors = [line for line in output.splitlines() if line.startswith("[ERROR]")]
    reason = errors[0].removeprefix("[ERROR]").strip() if errors else "no message"
    reason = re.sub(r"\(?https?://\S+\)?", "", reason.rpartition(": ")[2] or reason)
    return EnvironmentProblem(
        "Maven cannot get the job server.",
        where=wanted,
        expected="a file that Maven's repositories have",
        received=reason.strip(),
        fix=f"get the file elsewhere and put it to {path}",
    )
