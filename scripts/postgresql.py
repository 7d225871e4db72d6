"""Sees to PostgreSQL, on which metadata are tested: Debian's server.

Plain Python without dependencies. Ran by `make test`: installs it where it is missing, this is
root and there is apt-get, without a cluster of Debian's own, which would start; says what to
install anywhere else. The tests start a server of their own. With KELP_NO_POSTGRESQL=1 it does
nothing, and the tests on a server are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGE = "postgresql"
DEBIAN = Path("/usr/lib/postgresql")
CLUSTERS = Path("/etc/postgresql-common/createcluster.conf")
PROGRAMS = ("initdb", "pg_ctl")


def main(environment: Mapping[str, str]) -> int:
    """Gives 0 where the tests can find PostgreSQL, or do without it."""
    if environment.get("KELP_NO_POSTGRESQL") == "1" or find():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {PACKAGE}, on which metadata are tested")
        install(environment)
    if find():
        return 0
    print(
        f"error: missing: {' and '.join(PROGRAMS)}: apt-get install {PACKAGE}; "
        "or leave the tests on a server out with KELP_NO_POSTGRESQL=1",
        file=sys.stderr,
    )
    return 1


def find() -> Path | None:
    """The folder of PostgreSQL's programs: Debian's newest, or that on the path."""
    versions = sorted(DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name))
    on_path = shutil.which(PROGRAMS[0])
    folders = [*reversed(versions), *([Path(on_path).resolve().parent] if on_path else [])]
    return next((one for one in folders if all((one / name).exists() for name in PROGRAMS)), None)


def install(environment: Mapping[str, str]) -> None:
    """Installs the package; apt-get prints what goes wrong."""
    quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    get = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    for command in (["apt-get", "update", "-qq"], [*get, "postgresql-common"], [*get, PACKAGE]):
        if subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=False).returncode:
            return
        if CLUSTERS.is_file():
            make_no_cluster(CLUSTERS)


def make_no_cluster(settings: Path) -> None:
    """Has Debian's package start no server of its own."""
    text = settings.read_text(encoding="utf-8")
    line = "create_main_cluster = false"
    if line not in text.splitlines():
        settings.write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(os.environ))
