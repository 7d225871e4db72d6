"""Sees to promtool, by which the alert rules are checked: out of Debian's package prometheus.

Plain Python without dependencies. Ran by `make test`: where there is none and there is
apt-get, unpacks it to .venv/tools/, without installing the package, which would start a
server; says what to install anywhere else. With KELP_NO_PROMTOOL=1 it does nothing, and the
tests that need it are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / ".venv" / "tools" / "promtool"
PACKAGE = "prometheus"


def main(environment: Mapping[str, str]) -> int:
    """Gives 0 where the tests can find promtool, or do without it."""
    if environment.get("KELP_NO_PROMTOOL") == "1" or find():
        return 0
    if shutil.which("apt-get") and shutil.which("dpkg"):
        print(f"getting promtool, out of the package {PACKAGE}")
        unpack(environment)
    if find():
        return 0
    print(
        f"error: missing: promtool: apt-get install {PACKAGE}; "
        "or leave its tests out with KELP_NO_PROMTOOL=1",
        file=sys.stderr,
    )
    return 1


def find() -> str | None:
    """The path of promtool."""
    return shutil.which("promtool") or shutil.which(TOOL)


def unpack(environment: Mapping[str, str]) -> None:
    """Gets the package and takes promtool out of it; the tools print what goes wrong."""
    quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryDirectory(prefix="kelp-promtool-") as scratch:
        # apt gives the download to a user of its own.
        Path(scratch).chmod(0o755)
        if not download(scratch, quiet):
            return
        for package in Path(scratch).glob("*.deb"):
            subprocess.run(["dpkg", "--extract", package, scratch], check=False)
        unpacked = Path(scratch, "usr", "bin", "promtool")
        if unpacked.is_file():
            TOOL.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(unpacked, TOOL)


def download(folder: str, environment: Mapping[str, str]) -> bool:
    """Gets the package, where need be after root had apt-get look what there is."""

    def succeeds(*command: str) -> bool:
        done = subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode == 0

    if succeeds("download", PACKAGE):
        return True
    return os.geteuid() == 0 and succeeds("update") and succeeds("download", PACKAGE)


if __name__ == "__main__":
    sys.exit(main(os.environ))
