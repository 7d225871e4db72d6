"""Kubeflow's client against a stub of its API, which refuses what the API's messages refuse."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from pipelines import cli

CONFIG = """\
name: demo_1
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: rows.csv}
kubeflow: {service_account: runner, experiment: nightly}
"""
KINDS = {
    "experiments": ("V2beta1Experiment", "experiment_id", ("display_name",)),
    "runs": ("V2beta1Run", "run_id", ("display_name", "pipeline_version_reference")),
    "recurringruns": (
        "V2beta1RecurringRun",
        "recurring_run_id",
        ("display_name", "pipeline_version_reference", "trigger", "max_concurrency", "mode"),
    ),
}


class Refused(Exception):
    """A request that Kubeflow answers by a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """What the stub holds: objects by kind and id, and the status that it answers everything by.

    Attributes:
      page_size: The most objects that one answer lists.
      multi_user: Whether each object belongs to a namespace.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {
            kind: {} for kind in ("pipelines", "versions", *KINDS)
        }
        self.calls: list[str] = []
        self.status = 200
        self.page_size = 200
        self.multi_user = False

    def add(self, kind: str, key: str, content: dict[str, Any]) -> dict[str, Any]:
        number = f"{kind}-{sum(call.startswith(f'POST {kind}') for call in self.calls)}"
        content = {**content, key: number, "created_at": "2026-01-01T00:00:00Z"}
        if kind == "runs":  # an end that has not come is the year 1970
            content |= {"state": "RUNNING", "finished_at": "1970-01-01T00:00:00Z"}
        self.objects[kind][number] = content
        return content

    def answer(self, verb: str, path: str, query: dict[str, str], body: bytes) -> Any:
        if self.status != 200:
            raise Refused(self.status, "as the test wants it")
        place = path.removeprefix("/apis/v2beta1/")
        self.calls.append(f"{verb} {place}")
        if place == "healthz":
            return {"multi_user": self.multi_user}
        if place.startswith("pipelines"):
            return self._pipelines(verb, place, query, body)
        kind, _, rest = place.partition("/")
        number, _, action = rest.partition(":")
        if verb == "POST" and not rest:
            name, key, needed = KINDS[kind]
            return self.add(kind, key, parsed(name, body, needed))
        if verb == "GET" and not rest:
            return self._page({"recurringruns": "recurringRuns"}.get(kind, kind), kind, query)
        return self._changed(verb, kind, number, action)

    def _changed(self, verb: str, kind: str, number: str, action: str) -> Any:
        if number not in self.objects[kind]:
            raise Refused(404, f"{kind} {number} not found")
        if verb == "DELETE":
            del self.objects[kind][number]
        elif action == "enable":
            self.objects[kind][number]["mode"] = "ENABLE"
        elif action == "terminate":
            if self.objects[kind][number]["state"] != "RUNNING":
                raise Refused(400, "the run has ended")
            self.objects[kind][number]["state"] = "CANCELING"
        return {}

    def _page(self, name: str, kind: str, query: dict[str, str]) -> Any:
        listed = self._listed(kind, query)
        size = min(int(query.get("page_size", 20)), self.page_size)
        begin = int(query.get("page_token") or 0)
        more = {"next_page_token": str(begin + size)} if len(listed) > begin + size else {}
        return {name: listed[begin : begin + size], **more}

    def _pipelines(self, verb: str, place: str, query: dict[str, str], body: bytes) -> Any:
        if place == "pipelines":
            return {"pipelines": self._listed("pipelines", query)}
        if verb == "GET":
            return {"pipeline_versions": self._listed("versions", query)}
        spec = re.search(rb"\r\n\r\n(.*?)\r\n--", body, re.DOTALL)
        assert spec
        validate_pipeline(spec[1].decode())
        if "name" not in query:
            raise Refused(400, "missing name")
        named = {"display_name": query["name"], "namespace": query.get("namespace", "")}
        if place == "pipelines/upload":
            if self.multi_user and not named["namespace"]:
                raise Refused(403, "only an administrator shares a pipeline with all namespaces")
            return self.add("pipelines", "pipeline_id", named)
        if query.get("pipelineid") not in self.objects["pipelines"]:
            raise Refused(400, "missing pipelineid")
        if any(one["display_name"] == query["name"] for one in self.objects["versions"].values()):
            raise Refused(409, "the version exists")
        self.calls[-1] = "POST versions"
        return self.add("versions", "pipeline_version_id", named)

    def _listed(self, kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        predicates = json.loads(query.get("filter") or "{}").get("predicates", [])
        listed = list(self.objects[kind].values())
        if kind in ("pipelines", "experiments"):
            namespace = query.get("namespace", "")
            listed = [one for one in listed if one.get("namespace", "") == namespace]
        for predicate in predicates:
            assert predicate["operation"] in (1, "EQUALS")  # the enum's number, or its name
            listed = [one for one in listed if one[predicate["key"]] == predicate["stringValue"]]
        return listed


def parsed(name: str, body: bytes, needed: tuple[str, ...]) -> dict[str, Any]:
    """A message as Kubeflow's own models read it: nothing unknown, no other enum, all names."""
    import kfp_server_api

    content: dict[str, Any] = json.loads(body)
    client = kfp_server_api.ApiClient()
    try:
        read = client.deserialize(SimpleNamespace(data=body.decode()), name)
        unknown = unknown_keys(content, client.sanitize_for_serialization(read))
    except ValueError as error:
        raise Refused(400, str(error)) from error
    missing = [key for key in needed if not content.get(key)]
    if unknown or missing:
        raise Refused(400, f"unknown {unknown}, missing {missing}")
    if content.get("mode", "ENABLE") not in kfp_server_api.RecurringRunMode.allowable_values:
        raise Refused(400, f"mode {content['mode']}")
    cron = content.get("trigger", {}).get("cron_schedule", {}).get("cron", "0 * * * * *")
    if len(cron.split()) != 6:
        raise Refused(400, f"cron {cron}")
    if not 1 <= int(content.get("max_concurrency", 1)) <= 10:
        raise Refused(400, "max_concurrency")
    return content


def unknown_keys(given: Any, read: Any) -> list[str]:
    if not isinstance(given, dict):
        return []
    if not isinstance(read, dict):
        return list(given)
    return [key for key in given if key not in read] + [
        inner for key in given if key in read for inner in unknown_keys(given[key], read[key])
    ]


def validate_pipeline(text: str) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec, *_ = yaml.safe_load_all(text)
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())


@pytest.fixture
def api() -> Iterator[tuple[Api, str]]:
    stub = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            split = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(split.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, content = 200, stub.answer(self.command, split.path, query, body)
            except Refused as error:
                status, content = error.status, {"code": 3, "message": str(error)}
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield stub, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    Path("demo.yaml").write_text(CONFIG)


def kubeflow(verb: str, *arguments: str) -> int:
    return cli.main(["kubeflow", verb, "demo.yaml", *arguments])


def test_a_version_is_uploaded_once_and_run(api: tuple[Api, str]) -> None:
    stub, host = api
    assert kubeflow("submit", "--host", host) == 0
    assert kubeflow("submit", "--host", host) == 0
    assert kubeflow("submit", "--host", host, "seed=5") == 0
    assert [len(stub.objects[kind]) for kind in ("pipelines", "versions", "experiments")] == [
        1,
        2,
        1,
    ]
    runs = list(stub.objects["runs"].values())
    assert len(runs) == 3
    first, second, third = (run["pipeline_version_reference"] for run in runs)
    assert first == second != third
    assert {run["service_account"] for run in runs} == {"runner"}


def test_a_schedule_takes_the_place_of_the_one_of_its_name(
    api: tuple[Api, str], capsys: pytest.CaptureFixture[str]
) -> None:
    stub, host = api
    assert kubeflow("schedule", "--cron", "0 3 * * 7", "--host", host) == 0
    assert kubeflow("schedule", "--cron", "30 4 * * mon-fri", "--host", host) == 0
    (made,) = stub.objects["recurringruns"].values()
    assert made["trigger"]["cron_schedule"]["cron"] == "0 30 4 * * 1-5"
    assert (int(made["max_concurrency"]), made["no_catchup"], made["mode"]) == (1, True, "ENABLE")
    assert made["display_name"] == "demo-1"
    assert kubeflow("submit", "--host", host) == 0
    capsys.readouterr()
    assert kubeflow("list", "--host", host) == 0
    shown = capsys.readouterr().out
    assert "0 30 4 * * 1-5" in shown
    assert "runs-" in shown
    assert kubeflow("stop", "--runs", "--host", host) == 0
    assert "removed 1 schedule, ended 1 run" in capsys.readouterr().out
    assert stub.objects["recurringruns"] == {}


def test_runs_are_found_behind_those_of_other_pipelines(
    api: tuple[Api, str], capsys: pytest.CaptureFixture[str]
) -> None:
    stub, host = api
    stub.page_size = 2
    for _ in range(3):
        stub.calls.append("POST runs")
        stub.add("runs", "run_id", {"display_name": "of another"})
    assert kubeflow("submit", "--host", host) == 0
    assert kubeflow("submit", "--host", host) == 0
    *others, done, at_work = stub.objects["runs"].values()
    done["state"] = "SUCCEEDED"
    capsys.readouterr()
    assert kubeflow("list", "--host", host) == 0
    shown = capsys.readouterr().out
    assert done["run_id"] in shown
    assert at_work["run_id"] in shown
    assert others[0]["run_id"] not in shown
    assert kubeflow("stop", "--runs", "--host", host) == 0
    assert "removed 0 schedules, ended 1 run" in capsys.readouterr().out
    assert at_work["state"] == "CANCELING"
    assert {run["state"] for run in others} == {"RUNNING"}


def test_several_users_have_a_pipeline_of_one_name_each(api: tuple[Api, str]) -> None:
    stub, host = api
    stub.multi_user = True
    for namespace in ("anna", "ben", "anna"):
        assert kubeflow("submit", "--host", host, f"kubeflow.namespace={namespace}") == 0
    made = [one["namespace"] for one in stub.objects["pipelines"].values()]
    assert made == ["anna", "ben"]
    assert [one["namespace"] for one in stub.objects["experiments"].values()] == made


@pytest.mark.parametrize(
    ("status", "fix"), [(401, "KELP_KUBEFLOW_TOKEN"), (403, "rights"), (404, "address"), (500, "")]
)
def test_what_kubeflow_refuses_is_reported_in_a_few_lines(
    api: tuple[Api, str], capsys: pytest.CaptureFixture[str], status: int, fix: str
) -> None:
    stub, host = api
    stub.status = status
    for verb in (["submit"], ["schedule", "--cron", "@daily"], ["list"], ["stop"]):
        assert kubeflow(*verb, "--host", host) == 1
        err = capsys.readouterr().err
        assert f"HTTP {status}" in err
        assert fix in err
        assert len(err.splitlines()) <= 10


def test_nobody_there_and_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert kubeflow("list", "--host", "http://127.0.0.1:1") == 1
    err = capsys.readouterr().err
    assert "cannot be reached" in err
    assert len(err.splitlines()) <= 10
    assert kubeflow("list") == 2
    assert "KF_PIPELINES_ENDPOINT" in capsys.readouterr().err
    for given in (["--host", "https://kelp:hunter2@kf"], ["kubeflow.host=https://kelp:hunter2@kf"]):
        assert kubeflow("list", *given) == 2
        err = capsys.readouterr().err
        assert "KELP_KUBEFLOW_TOKEN" in err
        assert "hunter2" not in err


def test_the_stub_refuses_what_the_api_refuses() -> None:
    for body in (
        {"display_name": "x", "colour": "red"},
        {"description": "no name"},
    ):
        with pytest.raises(Refused):
            parsed("V2beta1Experiment", json.dumps(body).encode(), ("display_name",))
