"""The server's config: defaults, what is refused and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import KelpError
from serving.config import ServingSpec, load_spec


def problem(path: Path | None, given: dict[str, Any] | None = None) -> KelpError:
    with pytest.raises(KelpError) as caught:
        load_spec(path, given)
    return caught.value


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = load_spec(None, {"port": None})
    assert spec == ServingSpec()
    assert (spec.host, spec.port, spec.workers) == ("127.0.0.1", 8501, 1)
    assert spec.limits.body_bytes == 32 * 2**20
    assert spec.limits.inflated_bytes == 100 * 2**20
    assert spec.api_key() is None
    assert ServingSpec.model_validate_json(spec.model_dump_json()) == spec


def test_file_and_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "configs" / "serving.yaml"
    file.parent.mkdir()
    file.write_text("port: 1234\nmodels:\n  m: {labels: {stable: 3}}\n")
    assert load_spec(None).port == 1234
    assert load_spec(None).models["m"].labels == {"stable": 3}
    assert load_spec(None, {"port": 5}).port == 5
    file.write_text("")
    assert load_spec(file) == ServingSpec()


@pytest.mark.parametrize(
    ("text", "key", "reported"),
    [
        ("prot: 1", "key prot", "did you mean 'port'?"),
        ("limits: {body_mb: 1}", "key limits.body_mb", "did you mean 'body_mib'?"),
        ("models: {m: {polcy: {}}}", "key models.m.polcy", "did you mean 'policy'?"),
        ("models: {m: {policy: {cuont: 1}}}", "models.m.policy.cuont", "did you mean 'count'?"),
        ("request_log: {foldr: x}", "key request_log.foldr", "did you mean 'folder'?"),
        ("zzzzz: 1", "key zzzzz (line 1)", "remove the key"),
        ("port: 1\nport: 2", "key port (line 2)", "comes twice"),
        ("\nworkers: no", "key workers (line 2)", "valid integer"),
        ("port: many", "key port", "valid integer"),
        ("port: 99999", "key port", "65535"),
        ("policy: {kind: specific}", "key policy", "which needs them"),
        ("policy: {versions: [1]}", "key policy", "which needs them"),
        ("models: {'a/b': {}}", "key models", "no / and no :"),
        ("- 1", "serving.yaml", "mapping"),
        ("a: [", "serving.yaml, line 1", "not valid YAML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, key: str, reported: str) -> None:
    file = tmp_path / "serving.yaml"
    file.write_text(text)
    found = problem(file)
    assert key in found.where
    assert reported in str(found)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in problem(tmp_path / "x.yaml").what
    assert problem(None, {"workers": 0}).where == "command line, key workers"


def test_the_key_comes_from_the_environment() -> None:
    spec = ServingSpec(api_key_env="MY_KEY")
    assert spec.api_key({"MY_KEY": "secret"}) == "secret"
    for environment in ({}, {"MY_KEY": ""}):
        with pytest.raises(KelpError, match="export MY_KEY"):
            spec.api_key(environment)


def test_words_mean_the_same_as_in_the_config_of_a_run(tmp_path: Path) -> None:
    """`no` is a word in YAML 1.2, and no model's version is the time 1:30."""
    file = tmp_path / "serving.yaml"
    file.write_text("models:\n  no: {labels: {stable: 3}}\nhost: 1:30\n")
    spec = load_spec(file)
    assert (list(spec.models), spec.host) == (["no"], "1:30")


def test_one_model_may_be_batched_in_another_way(tmp_path: Path) -> None:
    """What it does not set is that of all models."""
    file = tmp_path / "serving.yaml"
    file.write_text("batching: {rows: 8, queue: 5}\nmodels:\n  m: {batching: {rows: 2}}\n")
    spec = load_spec(file)
    assert (spec.batching_of("m").rows, spec.batching_of("m").queue) == (2, 5)
    assert spec.batching_of("n") == spec.batching
    file.write_text("models:\n  m: {batching: {row: 2}}\n")
    assert "did you mean 'rows'?" in str(problem(file))


@pytest.mark.parametrize(
    ("settings", "guarded"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "::1"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "serving.example"}, False),
        ({"host": "0.0.0.0", "api_key_env": "KEY"}, True),
        ({"host": "0.0.0.0", "tls": {"cert": "c", "key": "k"}}, False),
        ({"host": "0.0.0.0", "tls": {"cert": "c", "key": "k", "client_ca": "a"}}, True),
    ],
)
def test_who_can_reach_the_server(settings: dict[str, Any], guarded: bool) -> None:
    assert ServingSpec.model_validate(settings).is_guarded is guarded


def test_certificates_of_the_command_line_keep_the_clients_roots(tmp_path: Path) -> None:
    file = tmp_path / "serving.yaml"
    file.write_text("tls: {cert: a.pem, key: a.key, client_ca: roots.pem}\n")
    spec = load_spec(file, {"tls": {"cert": "b.pem", "key": "b.key"}})
    assert spec.tls is not None
    assert (spec.tls.cert, spec.tls.key, spec.tls.client_ca) == ("b.pem", "b.key", "roots.pem")
