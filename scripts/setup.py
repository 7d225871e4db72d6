"""Makes .venv from requirements.lock where it is missing or stale.

Plain Python without dependencies: it runs before anything is installed. Ran by `make`:

    python3 scripts/setup.py             makes .venv, or does nothing where it is fresh
    python3 scripts/setup.py --print-uv  prints the path of uv, getting it if need be
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
# The packages of the virtual environment are exactly those of the lock, so the tools that
# put them there live beside them.
TOOLS = VENV / ".setup"
STAMP = TOOLS / "done"
PLACE = TOOLS / "place"
UV_REQUIREMENT = "uv>=0.8,<1"
PYTHONS = ((3, 10), (3, 13))
NEW_GLIBC_PYTHON = (3, 12)
NEW_GLIBC = (2, 39)


class SetupError(Exception):
    """Setup cannot go on; the message is one line for the reader."""


def main(arguments: list[str]) -> int:
    """Sets up, and gives the exit status."""
    os.chdir(ROOT)
    leave_own_environment()
    try:
        require_python()
        with one_at_a_time():
            if arguments == ["--print-uv"]:
                print(find_uv() or fail("uv can't be had: see the lines above"))
            elif not is_fresh():
                require_machine()
                install()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: setup was interrupted; the next make starts it again", file=sys.stderr)
        return 130
    return 0


def leave_own_environment() -> None:
    """Goes on with the Python behind .venv where .venv itself is active.

    An environment cannot be made anew by a process that runs in it.
    """
    base: str = getattr(sys, "_base_executable", sys.executable)
    if Path(sys.prefix).resolve() == VENV.resolve() and base != sys.executable:
        os.execv(base, [base, *sys.argv])


def fail(message: str) -> str:
    """Raises; typed so that it can stand where a value is expected."""
    raise SetupError(message)


def require_python() -> None:
    """Refuses a Python for which the lock has no packages."""
    here = sys.version_info[:2]
    if PYTHONS[0] <= here <= PYTHONS[1]:
        return
    names = [f"python3.{minor}" for minor in range(13, 9, -1)]
    other = next((name for name in names if shutil.which(name)), None)
    fix = f"make PYTHON={other}" if other else "install one: apt-get install python3.12"
    fail(f"this is Python {here[0]}.{here[1]}, and Kelp needs Python 3.10 to 3.13: {fix}")


def require_machine() -> None:
    """Names all that the machine lacks in one line, with the packages that bring it."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        fail(f"Kelp runs on Linux x86_64; this is {sys.platform} {platform.machine()}")
    name, version = platform.libc_ver()
    glibc = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    here = sys.version_info[:2]
    if here >= NEW_GLIBC_PYTHON and name == "glibc" and glibc < NEW_GLIBC:
        fail(
            f"TFX's packages for Python {here[0]}.{here[1]} need glibc 2.39, as Ubuntu 24.04 and "
            f"Debian 13 have it, and this is {version}: make PYTHON=python3.11"
        )
    lacking = list(missing_parts())
    if lacking:
        what = ", ".join(part for part, _ in lacking)
        packages = " ".join(dict.fromkeys(package for _, package in lacking))
        fail(f"missing: {what}: apt-get install {packages}")


def missing_parts() -> Iterator[tuple[str, str]]:
    """What the machine lacks, and the Debian package that brings it."""
    compilers = [os.environ.get("CXX", "").split(" ")[0], "c++", "g++", "clang++"]
    if not any(shutil.which(name) for name in compilers if name):
        yield "a C++ compiler", "g++"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.is_file():
        yield f"the headers of Python {version} ({header})", f"python{version}-dev"
    if not shutil.which("make"):
        yield "make", "make"
    if not has("ensurepip") and not has("pip"):
        yield "pip", f"python{version}-venv"


def has(module: str) -> bool:
    """Whether this Python has a module, without importing it."""
    return importlib.util.find_spec(module) is not None


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Lets a second `make` in the same folder wait for the first one's setup."""
    with LOCK.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another setup of this folder to end", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fingerprint() -> str:
    """A digest of all that decides what is installed."""
    digest = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(f"{sys.version} {VENV}".encode())
    return digest.hexdigest()


def is_fresh() -> bool:
    """Whether the last setup ended well, and was for this lock and this Python."""
    python = VENV / "bin" / "python"
    return STAMP.is_file() and STAMP.read_text() == fingerprint() and python.exists()


def install() -> None:
    """Installs the lock and then this project, and marks the environment as done."""
    STAMP.unlink(missing_ok=True)
    make_environment()
    uv = find_uv()
    print(f"installing requirements.lock with {'uv' if uv else 'pip'}", file=sys.stderr)
    python = str(VENV / "bin" / "python")
    project = ["--quiet", "--no-deps", "--no-build-isolation", "--editable", "."]
    if uv:
        # As pip does: where the environment forbids Python to keep what it compiled, every
        # process of a run would compile TensorFlow anew, which takes longer than the run.
        sync = ["pip", "sync", "--quiet", "--compile-bytecode", "--python", python, str(LOCK)]
        run([uv, *sync])
        run([uv, "pip", "install", "--python", python, *project])
    else:
        pip = [*pip_command(), "--python", python, "install", "--disable-pip-version-check"]
        run([*pip, "--quiet", "--no-deps", "--require-hashes", "--requirement", str(LOCK)])
        run([*pip, *project])
    temporary = STAMP.with_suffix(".new")
    temporary.write_text(fingerprint())
    temporary.replace(STAMP)


def make_environment() -> None:
    """Makes .venv, anew where it is of another Python or was left half made."""
    if VENV.exists() and not (VENV / "pyvenv.cfg").is_file() and any(VENV.iterdir()):
        fail(f"{VENV} is no virtual environment: move it away")
    # An environment that was moved still names its old place in its commands.
    place = f"{sys.version}\n{VENV}\n"
    kept = PLACE.is_file() and PLACE.read_text() == place
    if kept and (VENV / "bin" / "python").exists():
        return
    print(f"making .venv with Python {platform.python_version()}", file=sys.stderr)
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(VENV)
    TOOLS.mkdir()
    PLACE.write_text(place)


def find_uv() -> str | None:
    """uv: the one on the path where it runs, else one of our own; None where none runs."""
    own = TOOLS / "uv" / "bin" / "uv"
    if os.environ.get("KELP_SETUP_WITH") == "pip":
        return None
    for uv in (shutil.which("uv"), str(own)):
        if uv and output([uv, "pip", "--help"]) is not None:
            return uv
    print("getting uv with pip", file=sys.stderr)
    target = ["install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]
    command = [*pip_command(), *target, str(own.parent.parent), UV_REQUIREMENT]
    if subprocess.run(command, check=False).returncode == 0 and output([str(own), "--version"]):
        return str(own)
    print("uv can't be had; going on with pip, which takes longer", file=sys.stderr)
    return None


def pip_command() -> list[str]:
    """A pip that is not in the way of the environment's own packages."""
    if not has("ensurepip"):
        return [sys.executable, "-m", "pip"]
    python = TOOLS / "pip" / "bin" / "python"
    if output([str(python), "-m", "pip", "--version"]) is None:
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(python.parent.parent)
    return [str(python), "-m", "pip"]


def run(command: list[str]) -> None:
    """Runs a command whose own output says what went wrong."""
    done = subprocess.run(command, check=False)
    if done.returncode:
        fail(f"setup failed (status {done.returncode}): {' '.join(command)}")


def output(command: list[str]) -> str | None:
    """What a command prints; None where it cannot be run or fails."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
