"""Component output goes to its file, whoever writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipelines.execution.capture import peak_memory_mib

_SCRIPT = """
import logging, os, sys
from pathlib import Path
from pipelines.execution.capture import captured, terminal
out = terminal()
print("before")
with captured(Path(sys.argv[1])):
    print("python")
    os.write(2, b"native\\n")
    logging.getLogger("lib").info("logged")
    print("live", file=out)
print("after")
"""


def test_python_native_and_logging_are_captured(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "X.log"
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(log)], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"before", "live", "after"}
    assert done.stderr == ""
    text = log.read_text()
    assert "python" in text
    assert "native" in text
    assert "INFO lib: logged" in text


def test_peak_memory_sees_an_allocation() -> None:
    idle = peak_memory_mib()
    # More than this process has ever had.
    block = bytearray((round(idle) + 200) * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory_mib() > idle + 150
