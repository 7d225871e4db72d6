"""Sees to the browser that the report is tested in: Debian's Chromium and its driver.

Plain Python without dependencies. Ran by `make test`: installs them where they are missing,
this is root and there is apt-get; says what to install anywhere else. With KELP_NO_BROWSER=1
it does nothing, and the tests in a browser are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

PACKAGES = ("chromium", "chromium-driver")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"


def main(environment: Mapping[str, str]) -> int:
    """Gives 0 where the tests can find a browser, or do without one."""
    if environment.get("KELP_NO_BROWSER") == "1" or not missing():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {' and '.join(PACKAGES)}, which the report is tested in")
        install(environment)
    lacking = missing()
    if not lacking:
        return 0
    print(
        f"error: missing: {', '.join(lacking)}: apt-get install {' '.join(PACKAGES)}; "
        "or leave the tests in a browser out with KELP_NO_BROWSER=1",
        file=sys.stderr,
    )
    return 1


def missing() -> list[str]:
    """What of the browser and its driver is not on the path."""
    lacking = [] if any(map(shutil.which, BROWSERS)) else ["a browser (Chromium)"]
    return lacking if shutil.which(DRIVER) else [*lacking, DRIVER]


def install(environment: Mapping[str, str]) -> None:
    """Installs the packages; apt-get prints what goes wrong."""
    quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
    ):
        if subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=False).returncode:
            return


if __name__ == "__main__":
    sys.exit(main(os.environ))
