"""Prometheus's rules and Grafana's dashboard: that they are right, and ask for what there is."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import promql_parser
import pytest
import yaml

from scripts.promtool import find
from serving.config import ServingSpec
from serving.http import metrics
from serving.proxy.app import create_proxy
from serving.request_log.config import RequestLogSpec

DOCKER = Path(__file__).parents[3] / "docker"
PROMETHEUS = DOCKER / "prometheus"
DASHBOARD = DOCKER / "grafana" / "dashboards" / "serving.json"
# TensorFlow Serving's own names and labels, but for the `le` of histograms.
COUNTERS = {
    metrics.REQUEST_COUNT: {"model_name", "status"},
    metrics.LOAD_COUNT: {"model_path", "status"},
    "up": {"job", "instance"},
    "ALERTS": {"alertname", "alertstate", "model_name"},
}
HISTOGRAMS = {
    metrics.REQUEST_LATENCY: {"model_name", "API", "entrypoint"},
    metrics.RUNTIME_LATENCY: {"model_name", "API", "runtime"},
}
# As TensorFlow Serving's source names and numbers them.
CODES = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
}
APIS = {
    "REST": {"", "predict", "classify", "regress"},
    "GRPC": {"Predict", "Classify", "Regress", "MultiInference"},
}
BOUNDS = {*(f"{10 * 1.8**power:.6g}" for power in range(32)), "+Inf"}
promtool_wanted = pytest.mark.skipif(
    os.environ.get("KELP_NO_PROMTOOL") == "1", reason="KELP_NO_PROMTOOL=1 is set"
)


@pytest.fixture(scope="module")
def proxy_page(tmp_path_factory):
    """What the proxy tells Prometheus after an answer of each kind of traffic."""

    def upstream(request):
        return httpx.Response(200, json={"predictions": [0.5]})

    async def scrape():
        folder = tmp_path_factory.mktemp("log")
        releases = folder / "releases.json"
        releases.write_text('{"m": {"stable": 1, "canary": 2, "canary_percent": 50}}')
        spec = ServingSpec(request_log=RequestLogSpec(folder=folder, sample=0))
        transport = httpx.MockTransport(upstream)
        proxy = create_proxy("http://upstream", spec, releases, transport=transport, seed=0)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(proxy), base_url="http://proxy"
        ) as client:
            for _ in range(10):
                await client.post("/v1/models/m:predict", content=b'{"instances": [1]}')
            page = await client.get("/monitoring/prometheus/metrics")
        await proxy.close()
        return page.text

    return asyncio.run(scrape())


@pytest.fixture(scope="module")
def exposed(proxy_page):
    """The labels of every series that Prometheus has, by name."""
    names = dict(COUNTERS)
    for name, labels in HISTOGRAMS.items():
        names |= {f"{name}_bucket": labels | {"le"}}
        names |= {f"{name}_sum": labels, f"{name}_count": labels}
    for line in proxy_page.splitlines():
        if not line.startswith("#"):
            name, labels = re.match(r"([\w:]+)\{(.*)\} \S+$", line).groups()
            names.setdefault(name, set()).update(re.findall(r"(\w+)=\"", labels))
    return names


def series(query):
    """The names that a query asks for, each with the labels that it looks at."""
    found = []

    def note(node):
        if isinstance(node, promql_parser.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {one.name for one in node.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(query), pre_visit=note)
    return found


def rules():
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard():
    return json.loads(DASHBOARD.read_text())


def queries():
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m").replace("$model", ".*")


@pytest.mark.parametrize("query", [*(rule["expr"] for rule in rules()), *queries()])
def test_every_query_asks_for_series_and_labels_that_there_are(exposed, query):
    asked = series(query)
    assert asked
    for name, labels in asked:
        assert name in exposed
        assert labels <= exposed[name]


def series_of_tests():
    """The series of the rules' tests: names, each with its labels."""
    tests = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
    for one in (one for test in tests for one in test["input_series"]):
        name, labels = re.fullmatch(r"([\w:]+)\{(.*)\}", one["series"]).groups()
        yield name, dict(re.findall(r'(\w+)="([^"]*)"', labels))


def test_the_rules_are_tested_by_series_as_tensorflow_serving_writes_them(exposed):
    own = {"job", "instance"}
    for name, labels in series_of_tests():
        if not name.startswith(":tensorflow"):
            continue
        assert labels.keys() - own == exposed[name], name
        assert labels.get("status", "OK") in CODES | {"success", "fail"}
        if "entrypoint" in labels:
            assert labels["API"] in APIS[labels["entrypoint"]]
        assert labels.get("le", "+Inf") in BOUNDS


def test_the_health_check_is_no_request_for_a_model():
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    check = services["tensorflow-serving"]["healthcheck"]["test"][-1]
    (path,) = re.findall(r"GET (\S+)", check)
    # TensorFlow Serving counts what is below /v1/.
    assert path == "/monitoring/prometheus/metrics"


def test_the_embedded_servers_names_are_tensorflow_servings():
    assert metrics.REQUEST_COUNT == ":tensorflow:serving:request_count"
    assert metrics.REQUEST_LATENCY == ":tensorflow:serving:request_latency"
    assert metrics.RUNTIME_LATENCY == ":tensorflow:serving:runtime_latency"
    assert metrics.LOAD_COUNT == ":tensorflow:cc:saved_model:load_attempt_count"


def test_the_proxy_tells_of_every_label(proxy_page):
    for label in ("stable", "canary"):
        assert f':kelp:proxy:request_count{{model_name="m",label="{label}",status="OK"}}' in (
            proxy_page
        )


def test_what_is_scraped_is_a_service_and_its_page():
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]:
        (target,) = job["static_configs"][0]["targets"]
        host = target.split(":")[0]
        assert host in {*services, "localhost"}
        if host != "localhost":
            assert job["metrics_path"] == "/monitoring/prometheus/metrics"


def promtool(*arguments):
    tool = find()
    if tool is None:
        pytest.fail(
            "no promtool: `python3 scripts/promtool.py` gets it; leave these tests out with "
            "KELP_NO_PROMTOOL=1"
        )
    done = subprocess.run(
        [tool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@promtool_wanted
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
)
def test_promtool_agrees(arguments):
    status, result = promtool(*arguments)
    assert status == 0, result


@promtool_wanted
@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_the_rules_tests_fail_where_an_alert_never_fires(rule, tmp_path):
    """So that they hold every one of the rules."""
    broken = (PROMETHEUS / "alerts.yml").read_text()
    changed = yaml.safe_load(broken)
    for one in changed["groups"][0]["rules"]:
        if one["alert"] == rule["alert"]:
            one["expr"] = "vector(0) > 1"
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(changed))
    (tmp_path / "alerts.test.yml").write_text((PROMETHEUS / "alerts.test.yml").read_text())
    status, result = promtool("test", "rules", str(tmp_path / "alerts.test.yml"))
    assert status == 1
    assert rule["alert"] in result


def test_every_rule_says_what_to_do():
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_dashboard_is_whole_and_provisioned():
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    sources = yaml.safe_load(
        (DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    )["datasources"]
    known = {one["uid"] for one in sources}
    variables = {one["name"] for one in board["templating"]["list"]} | {"__rate_interval"}
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["datasource"]["uid"] in known
        assert all(target["datasource"]["uid"] in known for target in panel["targets"])
        for target in panel["targets"]:
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables
    provider = yaml.safe_load((DOCKER / "grafana/provisioning/dashboards/kelp.yaml").read_text())
    mounts = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    path = provider["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{path}:ro" in mounts


def test_panels_do_not_lie_on_one_another():
    taken = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
