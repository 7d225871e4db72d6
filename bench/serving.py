"""Kelp's server over loopback, beside its own ceiling in process and beside a plain FastAPI one.

Run as `python -m bench.serving`. Server, peer, ceiling and load are processes of their own;
the model has twenty named columns (`bench.serving_model`). The ceiling is what one process
gets out of the very codec and execution when nothing comes over the wire, one request after
another. Ratios, because seconds depend on the machine: all are taken in the same run, in
turns, and the best turn of each counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CEILING_BOUND = 0.5
PEER_BOUND = 10.0
CONNECTIONS = (1, 16, 64)
ROWS = (1, 32)
AT = (16, 1)  # the connections and rows for which the bounds hold
TURNS = 2
PATH = "/v1/models/bench:predict"
START_S = 120

Figures = dict[str, float]


def main() -> int:
    """Prints the table; gives 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of one measurement")
    parser.add_argument("--quick", action="store_true", help="one short turn, and no bounds")
    parser.add_argument("--measure", nargs=3, metavar=("WHAT", "FOLDER", "SECONDS"))
    arguments = parser.parse_args()
    if arguments.measure:
        what, folder, seconds = arguments.measure
        _measure(what, Path(folder), float(seconds))
        return 0
    seconds, turns = (0.5, 1) if arguments.quick else (arguments.seconds, TURNS)
    with tempfile.TemporaryDirectory(prefix="kelp-bench-") as folder:
        ceiling, ours, peer = _compare(Path(folder), seconds, turns)
    return _report(ceiling, ours, peer, arguments.quick)


def _compare(
    folder: Path, seconds: float, turns: int
) -> tuple[Figures, dict[tuple[int, int], Figures], Figures]:
    from bench.serving_model import body

    version = folder / "models" / "bench" / "1"
    _python("bench.serving", "--measure", "model", str(version), "0")
    bodies = {}
    for rows in ROWS:
        bodies[rows] = folder / f"{rows}.json"
        bodies[rows].write_bytes(body(rows))
    ceiling: Figures = {}
    ours: dict[tuple[int, int], Figures] = {}
    peer: Figures = {}
    with _kelp(folder) as port, _peer(version, folder) as peer_port:
        for _ in range(turns):
            found = _python("bench.serving", "--measure", "ceiling", str(version), str(seconds))
            ceiling = {key: max(value, ceiling.get(key, 0.0)) for key, value in found.items()}
            for rows in ROWS:
                for connections in CONNECTIONS:
                    place = (connections, rows)
                    new = _load(port, bodies[rows], connections, seconds)
                    ours[place] = _better(ours.get(place), new)
            peer = _better(peer or None, _load(peer_port, bodies[AT[1]], AT[0], seconds))
    return ceiling, ours, peer


def _measure(what: str, folder: Path, seconds: float) -> None:
    if what == "model":
        from bench.serving_model import write_model

        write_model(folder)
        print("{}")
        return
    print(json.dumps({str(rows): _ceiling(folder, rows, seconds) for rows in ROWS}))


def _ceiling(folder: Path, rows: int, seconds: float) -> float:
    """Requests a second through codec and execution, one after another, in this process."""
    from bench.serving_model import body
    from serving.codec.answers import encode_rows
    from serving.codec.requests import Decoder
    from serving.servable import load_servable

    servable = load_servable(folder)
    servable.warm_up()
    decoder = Decoder(servable.signatures, 1000, 64)
    request = body(rows)
    count, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        read = decoder.decode(request)
        encode_rows(servable.run(read.signature.name, read.inputs))
        count += 1
    return count / (time.perf_counter() - began)


def _report(
    ceiling: Figures, ours: dict[tuple[int, int], Figures], peer: Figures, quick: bool
) -> int:
    print(f"{'':<34}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'of ceiling':>12}")
    for rows in ROWS:
        most = ceiling[str(rows)]
        print(f"{_name('in process', None, rows):<34}{most:>12,.0f}{'':>10}{'':>10}{1:>12.2f}")
        for connections in CONNECTIONS:
            figures = ours[connections, rows]
            print(_row(_name("Kelp", connections, rows), figures, most))
    most = ceiling[str(AT[1])]
    print(_row(_name("FastAPI, pydantic", *AT), peer, most))
    at = ours[AT]["per_s"]
    checks = [
        ("of the ceiling", at / most, CEILING_BOUND),
        ("times the plain server", at / peer["per_s"], PEER_BOUND),
    ]
    for name, value, bound in checks:
        good = value >= bound or quick
        print(f"{name:<34}{value:<12.2f}(at least {bound:g}) {'ok' if good else 'MISSED'}")
    return 0 if quick or all(value >= bound for _, value, bound in checks) else 1


def _name(who: str, connections: int | None, rows: int) -> str:
    heading = f"{who}, {rows} row{'s' if rows > 1 else ''}"
    return heading if connections is None else f"{heading}, {connections} connections"


def _row(name: str, figures: Figures, most: float) -> str:
    return (
        f"{name:<34}{figures['per_s']:>12,.0f}{figures['p50_ms']:>10.2f}"
        f"{figures['p99_ms']:>10.2f}{figures['per_s'] / most:>12.2f}"
    )


def _better(one: Figures | None, other: Figures) -> Figures:
    return other if one is None or other["per_s"] > one["per_s"] else one


def _load(port: int, body: Path, connections: int, seconds: float) -> Figures:
    return _python("bench.serving_load", str(port), PATH, str(body), str(connections), str(seconds))


def _python(module: str, *arguments: str) -> dict[str, Any]:
    """Runs a module in a process of its own and reads the JSON of its last line."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)} failed:\n{done.stdout[-500:]}\n{done.stderr[-2000:]}"
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextlib.contextmanager
def _kelp(folder: Path) -> Iterator[int]:
    port = _free_port()
    kelp = str(Path(sys.executable).with_name("kelp"))
    command = [kelp, "serve", "--port", str(port), "--models-root", str(folder / "models")]
    command += ["--artifacts", str(folder / "none")]
    with _process(command, folder / "kelp.log", port, "/readyz"):
        yield port


@contextlib.contextmanager
def _peer(version: Path, folder: Path) -> Iterator[int]:
    port = _free_port()
    command = [sys.executable, "-m", "bench.serving_peer", str(version), str(port)]
    with _process(command, folder / "peer.log", port, "/docs"):
        yield port


@contextlib.contextmanager
def _process(command: list[str], log: Path, port: int, page: str) -> Iterator[None]:
    """A server for as long as it is needed, from when its page answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + START_S
        while not _answers(port, page):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(port: int, page: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
