"""Real clients that first ask for HTTP/2: Java's and curl's, against the server and the proxy."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.serving.served import post, read_all, status_of
from tests.integration.serving.stack import Stack, write_version

PREDICT = "/v1/models/m:predict"
BODY = b'{"instances": [{"x": 0.5}]}'
ANSWER = {"predictions": [0.5]}
_UPGRADE = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)
_JAVA = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (String url : arguments) {
            for (int time = 0; time < 3; time++) {
                HttpRequest request = HttpRequest.newBuilder(URI.create(url))
                    .POST(HttpRequest.BodyPublishers.ofString("BODY")).build();
                HttpResponse<String> answer =
                    client.send(request, HttpResponse.BodyHandlers.ofString());
                System.out.println(
                    answer.statusCode() + " " + answer.body().replaceAll("\\\\s+", " "));
            }
        }
    }
}
"""


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URLs of a server and of a proxy before it."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    write_version(stack.root, 1)
    with stack:
        yield {"server": stack.server, "proxy": stack.proxy}


@pytest.mark.parametrize("which", ["server", "proxy"])
def test_a_body_in_a_second_packet(urls: dict[str, str], which: str) -> None:
    address = urllib.parse.urlsplit(urls[which])
    whole = post(PREDICT, BODY, *_UPGRADE).replace(b"Connection: close\r\n", b"", 1)
    place = len(whole) - len(BODY)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(whole[:place])
        time.sleep(0.3)
        connection.sendall(whole[place:] + post(PREDICT, BODY))
        answer = read_all(connection)
    assert status_of(answer) == 200
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b'"predictions"') == 2


@pytest.mark.parametrize("which", ["server", "proxy"])
def test_a_client_that_has_ended_its_side(urls: dict[str, str], which: str) -> None:
    address = urllib.parse.urlsplit(urls[which])
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(post(PREDICT, BODY).replace(b"Connection: close\r\n", b"", 1))
        connection.shutdown(socket.SHUT_WR)
        assert status_of(read_all(connection)) == 200


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no JDK")
def test_java(urls: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "Ask.java"
    source.write_text(_JAVA.replace("BODY", BODY.decode().replace('"', '\\"')))
    targets = [url + PREDICT for url in urls.values()]
    done = subprocess.run(
        ["java", str(source), *targets], capture_output=True, text=True, check=True, timeout=300
    )
    answers = [line.split(" ", 1) for line in done.stdout.splitlines() if line[:4] == "200 "]
    assert [json.loads(answer) for _, answer in answers] == [ANSWER] * 6


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("which", ["server", "proxy"])
def test_curl(urls: dict[str, str], which: str) -> None:
    command = ["curl", "-sS", "--http2", "-w", "%{http_code}", "-o", "/dev/null", "-m", "60"]
    done = subprocess.run(
        [*command, "-d", BODY.decode(), urls[which] + PREDICT],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "200"
