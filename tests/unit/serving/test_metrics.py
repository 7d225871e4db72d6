"""Counts in Prometheus's text form, of one process and of several."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from serving.http.metrics import BOUNDS, REQUEST_COUNT, REQUEST_LATENCY, Metrics, SharedMetrics

COUNT = f"{REQUEST_COUNT}_total"  # what the parser calls a counter, whatever the text does


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_text_form() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.count(REQUEST_COUNT, model_name='a"b\\c\nd', status="OK")
    latency = metrics.histogram(REQUEST_LATENCY, model_name="m", API="predict")
    for microseconds in (1, 10, 17.5, 1e12):
        latency.add(microseconds)
    text = metrics.text([("gauge", (("a", "b"),), 1.0)])
    assert f"# TYPE {REQUEST_COUNT} counter\n" in text
    assert f"# TYPE {REQUEST_LATENCY} histogram\n" in text
    result = samples(text)
    assert result[COUNT, (("model_name", 'a"b\\c\nd'), ("status", "OK"))] == 3
    assert result["gauge", (("a", "b"),)] == 1
    labels = (("API", "predict"), ("model_name", "m"))
    bucket = f"{REQUEST_LATENCY}_bucket"
    assert result[bucket, (*labels[:1], ("le", "10"), labels[1])] == 1
    assert result[bucket, (*labels[:1], ("le", "18"), labels[1])] == 3
    assert result[bucket, (*labels[:1], ("le", "+Inf"), labels[1])] == 4
    assert result[f"{REQUEST_LATENCY}_count", labels] == 4
    assert result[f"{REQUEST_LATENCY}_sum", labels] == 1e12 + 28.5
    assert len(BOUNDS) == 33


def test_workers_add_up_dead_ones_too(tmp_path: Path) -> None:
    workers = []
    for number in range(3):
        shared = SharedMetrics(Metrics(), tmp_path, str(number))
        shared.metrics.count(REQUEST_COUNT, model_name="m", status="OK")
        shared.metrics.histogram(REQUEST_LATENCY, model_name="m").add(number)
        shared.save()
        workers.append(shared)
    workers[0].metrics.count(REQUEST_COUNT, model_name="m", status="OK")
    result = samples(workers[0].total().text())
    assert result[COUNT, (("model_name", "m"), ("status", "OK"))] == 4
    assert result[f"{REQUEST_LATENCY}_count", (("model_name", "m"),)] == 3
    # A worker that replaces another has a name of its own.
    fresh = SharedMetrics(Metrics(), tmp_path, "4")
    result = samples(fresh.total().text())
    assert result[COUNT, (("model_name", "m"), ("status", "OK"))] == 3
