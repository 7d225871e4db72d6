"""`kelp proxy`, `kelp release` and `kelp rollback` hand on what they are given."""

import pytest

from pipelines import cli
from pipelines.commands import serve
from serving.config import ServingSpec
from serving.proxy import server as proxy_server
from serving.release import controller
from serving.release.plan import Outcome


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv(serve.API_KEY, raising=False)


@pytest.mark.parametrize(("result", "status"), [("promoted", 0), ("went back", 1)])
def test_a_release_tells_what_became_of_it_by_its_status(monkeypatch, capsys, result, status):
    seen = []

    def release(plan, percent, tell):
        seen.append((plan, percent))
        return Outcome("m", result, 2, 3, "because", (), 1.0)

    monkeypatch.setattr(controller, "release", release)
    arguments = ["--models-root", "root", "--server", "http://s", "--version", "3"]
    assert cli.main(["release", "m", "--canary", "12.5", *arguments]) == status
    ((plan, percent),) = seen
    assert percent == 12.5
    assert (plan.place.name, str(plan.place.releases)) == ("m", "root/releases.json")
    assert str(plan.place.config) == "root/models.config"
    assert (plan.server, plan.proxy, plan.version) == ("http://s", "http://127.0.0.1:8502", 3)
    assert "because" in capsys.readouterr().out


def test_a_release_without_a_trial_needs_no_proxy(monkeypatch, capsys):
    def release_at_once(plan, tell):
        assert (plan.proxy, plan.version) == (None, 2)
        return Outcome("m", "released", 2, None, "because", (), 1.0)

    monkeypatch.setattr(controller, "release_at_once", release_at_once)
    assert cli.main(["release", "m", "--at-once", "--version", "2"]) == 0
    assert "version 2 is stable now" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--canary", "ten"]])
def test_a_release_is_either_tried_or_at_once(options, capsys):
    assert cli.main(["release", "m", *options]) == 2
    assert "--canary" in capsys.readouterr().err


def test_a_rollback_needs_no_proxy(monkeypatch, capsys):
    def rollback(plan, tell):
        assert plan.proxy is None
        assert str(plan.place.config) == "elsewhere/models.config"
        return Outcome("m", "rolled back", 1, 2, "because", (), 1.0)

    monkeypatch.setattr(controller, "rollback", rollback)
    file = "elsewhere/models.config"
    assert cli.main(["rollback", "m", "--model-config-file", file]) == 0
    assert "back to version 1" in capsys.readouterr().out


def test_the_proxy_takes_the_log_from_the_command_line(monkeypatch):
    seen = []
    monkeypatch.setattr(proxy_server, "serve_proxy", lambda *given: seen.append(given) or 0)
    assert cli.main(["proxy", "--upstream", "http://u", "--log", "log", "--sample", "0.5"]) == 0
    ((upstream, spec, releases, _, ca),) = seen
    assert (upstream, str(releases), spec.port, ca) == (
        "http://u",
        "serving_models/releases.json",
        8502,
        None,
    )
    assert isinstance(spec, ServingSpec)
    assert (str(spec.request_log.folder), spec.request_log.sample) == ("log", 0.5)


def test_what_is_wrong_is_reported_in_the_usual_form(capsys):
    assert cli.main(["release", "m", "--canary", "100"]) == 1
    assert "part of the traffic" in capsys.readouterr().err
    assert cli.main(["proxy", "--upstream", "host:1"]) == 1
    assert "--upstream" in capsys.readouterr().err
