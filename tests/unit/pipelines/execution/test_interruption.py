"""SIGTERM ends a program in order: it removes what it has written by halves."""

import os
import signal
import subprocess
import sys

WRITING = """
import tempfile, time
from pipelines.execution.interruption import exit_on_sigterm
exit_on_sigterm()
with tempfile.TemporaryDirectory():
    print("ready", flush=True)
    time.sleep(60)
"""


def test_sigterm_leaves_no_temporary_files(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITING], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
    assert list(tmp_path.iterdir()) == []
