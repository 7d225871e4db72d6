"""The proxy as a process: it goes when it is asked to, and leaves no record behind."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time

import httpx

from serving.request_log.files import log_files
from serving.request_log.warm_up import read_log
from tests.integration.serving.served import read_all
from tests.integration.serving.stack import Stack, write_version


def test_the_proxy_ends_with_its_log_written(tmp_path):
    stack = Stack(tmp_path)
    write_version(stack.root, 1)
    log = tmp_path / "log"
    with stack:
        command = [sys.executable, "-c", "from pipelines.cli import main; raise SystemExit(main())"]
        arguments = ["proxy", "--upstream", stack.server, "--port", "0", "--log", str(log)]
        process = subprocess.Popen(
            [*command, *arguments, "--sample", "1"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[:1]
            with httpx.Client(
                trust_env=False, transport=httpx.HTTPTransport(retries=5), timeout=30
            ) as client:
                end = time.monotonic() + 30
                answered = 0
                # The server looks for models again and again: it may not have this one yet.
                while answered < 20 and time.monotonic() < end:
                    body = {"instances": [{"x": 0.5}]}
                    answer = client.post(f"{url}/v1/models/m:predict", json=body)
                    answered += answer.status_code == 200
            _answers_on_the_wire(int(url.rpartition(":")[2]))
            process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait(60)
    records = list(read_log(log_files(log, "m")))
    assert len(records) == answered == 20
    assert {float(one.outputs["p"][0]) for one in records} == {0.5}
    assert not list(log.rglob("*.open"))


def _answers_on_the_wire(port):
    """One date an answer, also for a client that has ended its side, and no 500 for a `*`."""
    status = _exchange(port, b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 200 ")
    assert status.lower().count(b"\r\ndate: ") == 1
    refused = _exchange(port, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert refused.lower().count(b"\r\ndate: ") == 1


def _exchange(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)
