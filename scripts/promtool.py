"""Sees to promtool, by which the alert rules are checked: out of a package of Debian's.

Debian 13 has a package promtool; before, it was in the package prometheus. Plain Python without
dependencies. Ran by `make test`: where there is none and there is apt-get, unpacks it to
.venv/tools/, without installing the package, which would start a server; says what to install
anywhere else. With KELP_NO_PROMTOOL=1 it does nothing, and the tests that need it are skipped.
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
PACKAGES = ("promtool", "prometheus")


def main(environment: Mapping[str, str]) -> int:
    """Gives 0 where the tests can find promtool, or do without it."""
    if environment.get("KELP_NO_PROMTOOL") == "1" or find():
        return 0
    if shutil.which("apt-get") and shutil.which("dpkg"):
        print("getting promtool, out of Debian's package")
        unpack(environment)
    if find():
        return 0
    print(
        f"error: missing: promtool: apt-get install {' or '.join(PACKAGES)}; "
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
    """Gets the first of the packages that there is; root has apt-get look again for them."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def get() -> list[subprocess.CompletedProcess[str]]:
        tried = []
        for package in PACKAGES:
            tried.append(run("download", package))
            if not tried[-1].returncode:
                break
        return tried

    tried = get()
    if tried[-1].returncode and os.geteuid() == 0 and not run("update").returncode:
        tried = get()
    if tried[-1].returncode:
        print("".join(done.stderr for done in tried), end="", file=sys.stderr)
    return not tried[-1].returncode


if __name__ == "__main__":
    sys.exit(main(os.environ))
