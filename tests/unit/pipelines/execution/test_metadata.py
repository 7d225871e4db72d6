"""Where metadata are kept: what the config may say, and that a password stays unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import ConfigError, EnvironmentProblem
from pipelines.config.problem import load_config
from pipelines.execution.metadata import (
    PASSWORD_VARIABLE,
    MetadataSpec,
    metadata_connection,
)

CONFIG = """\
name: demo
task: binary
label: {name: y}
features:
  age: {type: numeric}
data: {path: data.csv}
"""


def spec(metadata: str, folder: Path, *overrides: str) -> MetadataSpec:
    path = folder / "demo.yaml"
    path.write_text(f"{CONFIG}{metadata}\n")
    return load_config(path, overrides).config.metadata


def test_sqlite_beside_the_runs_where_the_config_says_nothing(tmp_path: Path) -> None:
    connection = metadata_connection(spec("", tmp_path), tmp_path / "demo")
    assert connection.config.sqlite.filename_uri == str(tmp_path / "demo" / "metadata.sqlite")
    assert connection.server is None
    assert not (tmp_path / "demo").exists()


def test_a_server_by_its_address_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "hunter2")
    found = spec("metadata: postgresql://kelp@db.example:6000/meta", tmp_path)
    connection = metadata_connection(found, tmp_path)
    postgresql = connection.config.postgresql
    assert (postgresql.host, postgresql.port, postgresql.user) == ("db.example", "6000", "'kelp'")
    assert (postgresql.dbname, postgresql.password) == ("meta", "'hunter2'")
    assert connection.where == "postgresql://kelp@db.example:6000/meta"
    assert "hunter2" not in repr(connection)
    assert "hunter2" not in found.model_dump_json()


def test_a_password_of_any_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "it's a \\ blank")
    found = MetadataSpec(url="postgresql://kelp@db/meta")
    password = metadata_connection(found, tmp_path).config.postgresql.password
    assert password == "'it\\'s a \\\\ blank'"
    monkeypatch.delenv(PASSWORD_VARIABLE)
    assert not metadata_connection(found, tmp_path).config.postgresql.HasField("password")


def test_mysql_with_a_password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    (tmp_path / "secret").write_text("hunter2\n")
    found = spec(
        f"metadata: {{url: mysql://kelp@db/meta, password_file: {tmp_path}/secret}}", tmp_path
    )
    mysql = metadata_connection(found, tmp_path).config.mysql
    assert (mysql.host, mysql.port, mysql.database) == ("db", 3306, "meta")
    assert (mysql.user, mysql.password) == ("kelp", "hunter2")


def test_a_password_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    found = MetadataSpec(url="mysql://kelp@db/meta", password_file=str(tmp_path / "none"))
    with pytest.raises(EnvironmentProblem, match="cannot be read") as caught:
        metadata_connection(found, tmp_path)
    assert str(tmp_path / "none") in caught.value.where


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://kelp:hunter2@db/meta", "password"),
        ("redis://kelp@db/meta", "known kind"),
        ("postgresql://db/meta", "incomplete"),
        ("postgresql://kelp@/meta", "incomplete"),
        ("postgresql://kelp@db/meta?x=1", "incomplete"),
        ("postgresql://kelp@db", "unusable name"),
        ("postgresql://kelp@db/Meta-1", "unusable name"),
        ("postgresql://kelp@db:port/meta", "port"),
        ("metadata.db", "known kind"),
    ],
)
def test_an_unusable_address(address: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        spec(f"metadata: {address}", tmp_path)
    assert "key metadata" in caught.value.where
    assert "hunter2" not in "".join(caught.value.lines())


def test_a_refused_password_is_not_repeated(tmp_path: Path) -> None:
    address = "postgresql://kelp:hunter2@db/meta"
    for override in (f"metadata={address}", f"metadata.url={address}", f"metadata=[{address}]"):
        with pytest.raises(ConfigError) as caught:
            spec("", tmp_path, override)
        assert "hunter2" not in "".join(caught.value.lines())
