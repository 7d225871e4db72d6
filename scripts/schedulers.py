"""Sees to the tools that schedules are checked by: systemd-analyze and cron's crontab.

Plain Python without dependencies. Ran by `make test`: where this is root and there is apt-get,
installs Debian's systemd, which starts nothing, and takes crontab out of the package cron, whose
installation would start a daemon; says what to install anywhere else. With KELP_NO_SCHEDULERS=1
it does nothing, and the tests that need them are skipped.
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
CRONTAB = ROOT / ".venv" / "tools" / "crontab"
PACKAGES = {"systemd-analyze": "systemd", "crontab": "cron"}


def main(environment: Mapping[str, str]) -> int:
    """Gives 0 where the tests can find the tools, or do without them."""
    if environment.get("KELP_NO_SCHEDULERS") == "1" or not missing():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"getting {' and '.join(missing())}, out of Debian's packages")
        get(missing(), environment)
    lacking = missing()
    if not lacking:
        return 0
    print(
        f"error: missing: {', '.join(lacking)}: apt-get install "
        f"{' '.join(PACKAGES[tool] for tool in lacking)}; "
        "or leave their tests out with KELP_NO_SCHEDULERS=1",
        file=sys.stderr,
    )
    return 1


def find(tool: str) -> str | None:
    """The path of a tool."""
    return shutil.which(tool) or (shutil.which(CRONTAB) if tool == "crontab" else None)


def missing() -> list[str]:
    """The tools that are not there."""
    return [tool for tool in PACKAGES if find(tool) is None]


def get(tools: list[str], environment: Mapping[str, str]) -> None:
    """Gets the packages of some tools; apt-get prints what goes wrong."""
    quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]

    def run(*command: str, cwd: str | None = None) -> bool:
        done = subprocess.run(
            [*apt, *command], cwd=cwd, env=quiet, stdout=subprocess.DEVNULL, check=False
        )
        return done.returncode == 0

    if not run("update"):
        return
    if "systemd-analyze" in tools:
        run("install", "-y", "--no-install-recommends", PACKAGES["systemd-analyze"])
    if "crontab" in tools:
        with tempfile.TemporaryDirectory(prefix="kelp-cron-") as scratch:
            run("download", PACKAGES["crontab"], cwd=scratch)
            for package in Path(scratch).glob("*.deb"):
                subprocess.run(["dpkg", "--extract", package, scratch], check=False)
            unpacked = Path(scratch, "usr", "bin", "crontab")
            if unpacked.is_file():
                CRONTAB.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(unpacked, CRONTAB)


if __name__ == "__main__":
    sys.exit(main(os.environ))
