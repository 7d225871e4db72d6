"""Each form of a schedule, read again by its own tool or schema."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import cli
from scripts.schedulers import find

CONFIG = """\
name: demo_1
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: 'rows/*.csv'}
kubeflow:
  image: registry.example.org/kelp:1
  storage: {kind: pvc, claim: shared, path: /data/kelp}
  secrets: [{name: database, env: {password: PGPASSWORD}}]
  service_account: runner
  resources: {cpu: 2, gpu: 1, node_selector: {pool: gpus}}
"""
ODD = "card.limits=100% of \"it\" 'is' $HOME \\"
NIGHTLY = ("--cron", "0 3 * * mon-fri", "--as")
tools_wanted = pytest.mark.skipif(
    os.environ.get("KELP_NO_SCHEDULERS") == "1", reason="KELP_NO_SCHEDULERS is set"
)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "100% odd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "demo.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def printed(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> str:
        assert cli.main(["schedule", "demo.yaml", *arguments]) == 0
        return capsys.readouterr().out

    return run


def strictly(given: Any, read: Any) -> None:
    """Asserts that a reader kept all that was given: what it did not know is not there."""
    if isinstance(given, dict):
        assert not set(given) - set(read)
        for key, value in given.items():
            strictly(value, read[key])
    elif isinstance(given, list):
        assert len(given) == len(read)
        for one, other in zip(given, read, strict=True):
            strictly(one, other)
    else:
        assert given == read


def read_by_kubernetes(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """An object as Kubernetes' own client reads it, which has the types of its OpenAPI schema."""
    from types import SimpleNamespace

    from kubernetes import client

    api = client.ApiClient()
    read = api.deserialize(SimpleNamespace(data=json.dumps(content)), kind)
    kept: dict[str, Any] = api.sanitize_for_serialization(read)
    return kept


@tools_wanted
def test_systemd_accepts_the_units(printed: Any, tmp_path: Path) -> None:
    text = printed(*NIGHTLY, "systemd", "--on-failure", "notify 'it' 100% $USER", ODD)
    units: dict[str, str] = {}
    for block in text.split("# kelp-")[1:]:
        name, _, unit = block.partition("\n")
        units[f"kelp-{name}"] = unit
    assert set(units) == {
        "kelp-demo-1.timer",
        "kelp-demo-1.service",
        "kelp-demo-1-failed.service",
    }
    for name, unit in units.items():
        (tmp_path / name).write_text(unit)
    done = verify(tmp_path, units)
    assert (done.returncode, done.stderr) == (0, "")
    for wanted in ("TimeoutStartSec=43200", "OnFailure=kelp-demo-1-failed.service"):
        assert wanted in units["kelp-demo-1.service"]
    broken = units["kelp-demo-1.service"].replace("Type=oneshot", "Type=onceshot")
    (tmp_path / "kelp-demo-1.service").write_text(broken)
    assert "onceshot" in verify(tmp_path, units).stderr


def verify(folder: Path, names: Any) -> subprocess.CompletedProcess[str]:
    analyze = find("systemd-analyze")
    assert analyze, "python3 scripts/schedulers.py gets systemd-analyze"
    return subprocess.run(
        [analyze, "verify", "--man=no", *(str(folder / name) for name in names)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def spool() -> Iterator[None]:
    """The folder that crontab goes to, even to check a file, where root has no cron installed."""
    folders = [Path("/var/spool/cron"), Path("/var/spool/cron/crontabs")]
    made = [folder for folder in folders if not folder.exists()]
    for folder in made:
        folder.mkdir()
    yield
    for folder in reversed(made):
        folder.rmdir()


@tools_wanted
def test_cron_accepts_the_line(printed: Any, tmp_path: Path, spool: None) -> None:
    crontab = find("crontab")
    assert crontab, "python3 scripts/schedulers.py gets crontab"
    table = tmp_path / "table"
    table.write_text(printed(*NIGHTLY, "crontab", ODD))
    done = subprocess.run([crontab, "-n", table], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table.write_text(table.read_text().replace("0 3 * * 1-5", "0 33 * * 1-5"))
    done = subprocess.run([crontab, "-n", table], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "bad hour" in done.stderr


def test_the_line_runs_logs_and_reports_a_failure(
    printed: Any, workplace: Path, tmp_path: Path
) -> None:
    text = printed(*NIGHTLY, "crontab", ODD, "--on-failure", "echo alerted; exit 7")
    line = next(line for line in text.splitlines() if line.startswith("0 3 * * 1-5 "))
    command = line.removeprefix("0 3 * * 1-5 ").replace("\\%", "%")
    kelp = command[command.index("--kill-after=120 43200 ") :].split()[2]
    fake = tmp_path / "kelp"
    fake.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit $KELP_STATUS\n")
    fake.chmod(0o755)
    command = command.replace(kelp, str(fake))
    assert run_shell(command, "0") == (0, "")
    log = workplace / "runs/demo_1/schedule.log"
    of_kelp = [one for one in log.read_text().splitlines() if not one.startswith("flock: ")]
    assert of_kelp == ["run", "demo.yaml", ODD]
    status, said = run_shell(command, "1")
    assert status == 7
    assert said.splitlines()[0].startswith("kelp: the scheduled run of demo_1 failed: see ")
    assert said.splitlines()[1] == "alerted"
    lock = workplace / "runs/demo_1/.schedule.lock"
    holding = f"flock {shlex.quote(str(lock))} sh -c {shlex.quote(command)}"
    assert run_shell(holding, "0")[0] == 7
    assert log.read_text().splitlines()[-1] == "flock: failed to get lock"


def run_shell(command: str, status: str) -> tuple[int, str]:
    done = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": os.environ["PATH"], "KELP_STATUS": status},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_kubernetes_reads_all_of_the_cron_job(printed: Any) -> None:
    options = ("--timezone", "Europe/Paris", "--on-failure", "notify", "--timeout", "90m")
    documents = list(yaml.safe_load_all(printed(*NIGHTLY, "cronjob", *options, "seed=5")))
    config, job = documents
    strictly(config, read_by_kubernetes("V1ConfigMap", config))
    strictly(job, read_by_kubernetes("V1CronJob", job))
    assert config["data"] == {"file-0": CONFIG}
    spec = job["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 3 * * 1-5", "Europe/Paris")
    assert spec["concurrencyPolicy"] == "Forbid"
    template = spec["jobTemplate"]["spec"]
    assert (template["activeDeadlineSeconds"], template["backoffLimit"]) == (5400, 2)
    pod = template["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "gpus"}
    assert pod["serviceAccountName"] == "runner"
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "1"}
    assert container["command"][3:] == ["kelp", "kelp", "run", "/etc/kelp/demo.yaml", "seed=5"]
    assert "notify" in container["command"][2]
    assert container["workingDir"] == "/data/kelp"
    job["spec"]["concurrencyPolice"] = "Forbid"
    with pytest.raises(AssertionError):
        strictly(job, read_by_kubernetes("V1CronJob", job))


def test_argos_models_read_all_of_the_cron_workflow(printed: Any) -> None:
    from hera.workflows.models import CronWorkflow

    def read(content: dict[str, Any]) -> dict[str, Any]:
        model = CronWorkflow.model_validate(content)
        kept: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return kept

    options = ("--timezone", "Europe/Paris", "--on-failure", "notify")
    _, workflow = yaml.safe_load_all(printed(*NIGHTLY, "argo", *options))
    strictly(workflow, read(workflow))
    spec = workflow["spec"]
    assert (spec["schedules"], spec["timezone"]) == (["0 3 * * 1-5"], "Europe/Paris")
    assert spec["concurrencyPolicy"] == "Forbid"
    run, after, alert = spec["workflowSpec"]["templates"]
    assert spec["workflowSpec"]["onExit"] == after["name"]
    assert spec["workflowSpec"]["activeDeadlineSeconds"] == 43200
    assert run["nodeSelector"] == {"pool": "gpus"}
    assert alert["container"]["command"][2].endswith("; notify")
    workflow["spec"]["onExits"] = "after"
    with pytest.raises(AssertionError):
        strictly(workflow, read(workflow))


def test_a_bucket_takes_the_paths_in(printed: Any) -> None:
    bucket = ("kubeflow.storage={kind: bucket, root: 's3://models/kelp'}", "tracking.enabled=false")
    _, job = yaml.safe_load_all(printed(*NIGHTLY, "cronjob", *bucket))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert [volume["name"] for volume in pod["volumes"]] == ["config"]
    assert container["command"][-4:] == [
        'data.path="s3://models/kelp/rows/*.csv"',
        'runs="s3://models/kelp/runs"',
        'push.root="s3://models/kelp/serving_models"',
        'push.artifacts="s3://models/kelp/artifacts"',
    ]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path with a crontab that keeps a file, and a systemctl that lists its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in {
        "crontab": f'[ "$1" = -l ] && exec cat {folder}/table 2>/dev/null; cat > {folder}/table',
        "systemctl": f'echo "$@" >> {folder}/calls; exit ${{SYSTEMCTL:-0}}',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def test_crontab_installs_once_beside_other_lines(printed: Any, tools: Path) -> None:
    (tools / "table").write_text("MAILTO=me\n1 2 3 4 5 other")
    printed(*NIGHTLY, "crontab", "--install")
    assert "installed kelp-demo-1" in printed("--cron", "@hourly", "--as", "crontab", "--install")
    lines = (tools / "table").read_text().splitlines()
    assert lines[:2] == ["MAILTO=me", "1 2 3 4 5 other"]
    assert [line for line in lines if "demo.yaml" in line] == [lines[-2]]
    assert lines[-2].startswith("0 * * * * ")


def test_systemd_installs_and_starts_the_timer(
    printed: Any,
    tools: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = printed(*NIGHTLY, "systemd", "--install")
    units = tmp_path / "config" / "systemd" / "user"
    assert len(list(units.iterdir())) == 3
    assert str(units / "kelp-demo-1.timer") in said
    calls = (tools / "calls").read_text().splitlines()
    assert calls == ["--user daemon-reload", "--user enable --now kelp-demo-1.timer"]
    monkeypatch.setenv("SYSTEMCTL", "1")
    assert cli.main(["schedule", "demo.yaml", *NIGHTLY, "systemd", "--install"]) == 1
    assert "systemd did not start the timer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--cron", "0 3 * *", "--as", "argo"], "five fields"),
        ([*NIGHTLY, "launchd"], "'launchd' is not one of"),
        ([*NIGHTLY, "argo", "--install"], "kubectl apply"),
        ([*NIGHTLY, "argo", "--timezone", "Paris/Europe"], "no time zone"),
        ([*NIGHTLY, "systemd", "--timezone", "Europe"], "no time zone"),
        ([*NIGHTLY, "crontab", "--timezone", "UTC"], "machine's own time zone"),
        ([*NIGHTLY, "argo", "--timeout", "soon"], "such as 12h"),
        ([*NIGHTLY, "crontab", f"card.limits={'x' * 999}"], "too long for cron"),
        ([*NIGHTLY, "crontab", "card.limits=one\n* * * * * two"], "without line breaks"),
        ([*NIGHTLY, "crontab", "--on-failure", "one\ntwo"], "without line breaks"),
        ([*NIGHTLY, "cronjob", f"name={'x' * 50}"], "at most 47 characters"),
        (
            [*NIGHTLY, "argo", "kubeflow.storage={kind: bucket, root: 'gs://models'}"],
            "MLflow's database is a file",
        ),
        ([*NIGHTLY, "argo", "kubeflow.resources.cpus=1"], "did you mean 'cpu'?"),
        ([*NIGHTLY, "argo", "kubeflow.resources={tpu: 4}"], "node_selector"),
    ],
)
def test_what_is_wrong_is_reported_in_a_few_lines(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert cli.main(["schedule", "demo.yaml", *arguments]) == cli.ARGUMENT_ERROR
    err = capsys.readouterr().err
    assert reason in " ".join(err.split())
    assert len(err.splitlines()) <= 10


def test_without_the_scheduler_nothing_is_installed(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for form in ("systemd", "crontab"):
        assert cli.main(["schedule", "demo.yaml", *NIGHTLY, form, "--install"]) == 1
        assert "to install" in capsys.readouterr().err
