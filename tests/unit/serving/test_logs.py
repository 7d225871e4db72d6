"""Standard error is JSON, whoever writes to it."""

from __future__ import annotations

import json
import subprocess
import sys

_WRITE = """
import logging, os
from serving.logs import libraries_as_json, log_as_json

with libraries_as_json():
    os.write(2, b"before the logs are JSON\\n")
log_as_json()
with libraries_as_json():
    os.write(2, b"WARNING: greetings\\nI0000 more of them\\n")
    logging.getLogger("serving.x").info("meanwhile")
logging.getLogger("serving.x").info("afterwards")
"""


def test_what_libraries_write_past_python_is_json_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRITE], capture_output=True, text=True, check=True
    )
    first, *lines = done.stderr.splitlines()
    assert first == "before the logs are JSON"
    content = [json.loads(line) for line in lines]
    assert {(one["event"], one.get("line")) for one in content[:-1]} == {
        ("library", "WARNING: greetings"),
        ("library", "I0000 more of them"),
        ("meanwhile", None),
    }
    assert content[-1]["event"] == "afterwards"
