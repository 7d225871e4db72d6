"""A model whose loop goes on for as long as a value says: nobody else waits for it."""

from __future__ import annotations

import signal
import statistics
import threading
import time
from pathlib import Path

from tests.integration.serving.served import ROW, ServerProcess, publish, start_server

LOOP = "/v1/models/loop:predict"
SCALE = "/v1/models/scale:predict"
OTHERS = {"/healthz": None, SCALE: ROW}
SLOW_S = 5.0
DEADLINE_S = 3.0
PROMPT_S = 0.05
ENDLESS = 2**31 - 1  # times round the loop: minutes on any machine


def ask(server: ServerProcess, times: int) -> tuple[int, float]:
    began = time.monotonic()
    status, _ = server.get(LOOP, b'{"instances": [%d]}' % times)
    return status, time.monotonic() - began


def ask_others(server: ServerProcess, seconds: float) -> dict[str, list[float]]:
    """How long each of the others took to answer, asked again and again."""
    waits: dict[str, list[float]] = {path: [] for path in OTHERS}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for path, body in OTHERS.items():
            began = time.monotonic()
            assert server.get(path, body)[0] == 200
            waits[path].append(time.monotonic() - began)
        time.sleep(0.02)
    return waits


def test_others_are_answered_meanwhile_and_the_deadline_holds(
    models: list[Path], tmp_path: Path
) -> None:
    for name, model in (("scale", models[0]), ("loop", models[2])):
        (tmp_path / "serving_models" / name).mkdir(parents=True)
        publish(model, tmp_path / "serving_models" / name / "1")
    server = start_server(tmp_path, {"limits": {"deadline_s": DEADLINE_S}}).ready()
    try:
        for _ in range(80):  # quick calls must not earn a place on the event loop
            assert ask(server, 1)[0] == 200
        before = ask_others(server, 0.5)
        answers: list[tuple[int, float]] = []
        slow = threading.Thread(target=lambda: answers.append(ask(server, ENDLESS)))
        slow.start()
        during = ask_others(server, SLOW_S)
        slow.join()
        ((status, waited),) = answers
        assert status == 504
        assert DEADLINE_S <= waited < SLOW_S
        for path, waits in during.items():
            # On an idle machine each takes some 5 ms. Other work on a busy one delays all of
            # them alike, so that what they took before counts too; one that had to wait for
            # the loop would take all of its time.
            usual = statistics.median(before[path])
            assert statistics.median(waits) <= max(PROMPT_S, 5 * usual)
            assert max(waits) < SLOW_S / 2
    finally:
        # The loop of which nobody wants the answer would go on for minutes.
        server.stop(signal.SIGKILL)
