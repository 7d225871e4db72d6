"""Runs Python with the arguments given, and writes to .coverage which lines of Kelp ran.

`make test` runs pytest by it; coverage.py reports what it wrote. See scripts/line_hits.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from coverage import Coverage, CoverageData

from scripts import line_hits

ROOT = Path(__file__).resolve().parent.parent
# Each Python process of the environment runs this file's line before anything else.
HOOK = Path(sysconfig.get_path("purelib"), "kelp_line_hits.pth")
VARIABLE = "KELP_LINE_HITS"


def main(arguments: Sequence[str]) -> int:
    """Gives the exit status of `python ARGUMENTS`."""
    packages = Coverage(config_file=str(ROOT / "pyproject.toml")).get_option("run:source_pkgs")
    assert isinstance(packages, list)
    write_hook(HOOK)
    sources = sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))
    return measure(arguments, sources, ROOT / ".coverage")


def write_hook(hook: Path) -> None:
    """Has the processes of this environment note their lines where the variable is set."""
    scripts = str(Path(__file__).resolve().parent)
    text = (
        f"import os, sys; os.environ.get({VARIABLE!r}) and [sys.path.insert(0, {scripts!r}), "
        f"__import__('line_hits').start(os.environ[{VARIABLE!r}]), sys.path.remove({scripts!r})]\n"
    )
    if not hook.is_file() or hook.read_text(encoding="utf-8") != text:
        hook.write_text(text, encoding="utf-8")


def measure(arguments: Sequence[str], sources: Iterable[Path], data_file: Path) -> int:
    """Runs `python ARGUMENTS` and writes which lines of the sources ran; gives its exit status."""
    with tempfile.TemporaryDirectory(prefix="kelp-lines-") as folder:
        line_hits.lay_out(folder, sources)
        line_hits.compile_all(folder)
        status = subprocess.call([sys.executable, *arguments], env={**os.environ, VARIABLE: folder})
        data = CoverageData(str(data_file))
        data.erase()
        data.add_lines(line_hits.read_lines(folder))
        data.write()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
