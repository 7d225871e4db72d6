"""Where a pipeline's metadata are kept: a SQLite file beside its artifacts, or a server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from contracts.errors import EnvironmentProblem
from contracts.spec import Spec

if TYPE_CHECKING:
    from ml_metadata.proto.metadata_store_pb2 import ConnectionConfig

SQLITE = "sqlite"
SQLITE_FILE = "metadata.sqlite"
# The config is recorded with each run, and so must not have the password.
PASSWORD_VARIABLE = "KELP_METADATA_PASSWORD"
_PORTS = {"postgresql": 5432, "mysql": 3306}
_EXPECTED = "sqlite, postgresql://USER@HOST:PORT/DATABASE or mysql://USER@HOST:PORT/DATABASE"
# ML Metadata creates the database by its bare name, and servers fold that to lower case.
_DATABASE = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Server:
    """The database server of an address.

    Attributes:
      kind: `postgresql` or `mysql`.
    """

    kind: str
    user: str
    host: str
    port: int
    database: str

    def __str__(self) -> str:
        return f"{self.kind}://{self.user}@{self.host}:{self.port}/{self.database}"


class MetadataSpec(Spec):
    """Where metadata are kept; in a config, the address alone will do.

    Attributes:
      url: `sqlite` for a file in the pipeline's folder of runs, or the address of a server.
      password_file: A file with the server's password, where no environment variable has it.
      wait_s: How long a server that went away during a run is waited for.
    """

    url: str = SQLITE
    password_file: str | None = None
    wait_s: float = Field(30.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _address_alone(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url != SQLITE:
            parse_server(url)
        return url

    @property
    def server(self) -> Server | None:
        """The server; None for SQLite."""
        return None if self.url == SQLITE else parse_server(self.url)


def parse_server(url: str) -> Server:
    """Takes an address apart.

    Raises:
      ValueError: It is not one; the message never repeats it, since it may hold a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"the metadata store is no address of a known kind: expected {_EXPECTED}")
    if parts.password is not None:
        raise ValueError(
            "the address of the metadata store has a password in it: remove it, and set the "
            f"environment variable {PASSWORD_VARIABLE}, or metadata.password_file"
        )
    if parts.query or parts.fragment or not (parts.username and parts.hostname):
        raise ValueError(f"the address of the metadata store is incomplete: expected {_EXPECTED}")
    database = parts.path.removeprefix("/")
    if not _DATABASE.fullmatch(database):
        raise ValueError(
            "the database of the metadata store has an unusable name: expected lower-case "
            f"letters, digits and _, received {database!r}"
        )
    port = parts.port or _PORTS[parts.scheme]
    return Server(parts.scheme, unquote(parts.username), parts.hostname, port, database)


@dataclass(frozen=True)
class Connection:
    """How a metadata store is reached.

    Attributes:
      config: ML Metadata's own description; it has the password.
      where: The store as errors name it.
      server: The server; None for SQLite.
      wait_s: How long a server that went away is waited for.
      password: Its password, to keep it out of what is printed.
    """

    config: ConnectionConfig = field(repr=False)
    where: str
    server: Server | None = None
    wait_s: float = 0.0
    password: str = field(default="", repr=False)


def metadata_connection(spec: MetadataSpec, root: Path) -> Connection:
    """Gives the way to a pipeline's metadata store.

    Args:
      spec: Where it is.
      root: The pipeline's folder of runs.

    Raises:
      EnvironmentProblem: The password file cannot be read.
    """
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    server = spec.server
    if server is None:
        config.sqlite.filename_uri = str(root / SQLITE_FILE)
        config.sqlite.connection_mode = config.sqlite.READWRITE_OPENCREATE
        return Connection(config, str(root / SQLITE_FILE))
    password = _password(spec)
    if server.kind == "postgresql":
        _fill_postgresql(config.postgresql, server, password)
    else:
        _fill_mysql(config.mysql, server, password)
    return Connection(config, str(server), server, spec.wait_s, password)


def _fill_postgresql(target: Any, server: Server, password: str) -> None:
    target.host, target.port = server.host, str(server.port)
    target.user, target.dbname = _quoted(server.user), server.database
    if password:  # without one, libpq looks for it itself: PGPASSWORD, ~/.pgpass
        target.password = _quoted(password)


def _quoted(value: str) -> str:
    """As libpq's connection strings have it: ML Metadata puts the value into one as it is.

    A password with a blank would be cut there, and its rest named in an error.
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _fill_mysql(target: Any, server: Server, password: str) -> None:
    target.host, target.port = server.host, server.port
    target.user, target.database = server.user, server.database
    target.password = password


def _password(spec: MetadataSpec) -> str:
    """The server's password; empty where none is given."""
    given = os.environ.get(PASSWORD_VARIABLE)
    if given is not None or spec.password_file is None:
        return given or ""
    try:
        return Path(spec.password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise EnvironmentProblem(
            "The password of the metadata store cannot be read.",
            where=f"key metadata.password_file: {spec.password_file}",
            expected="a file that this user may read",
            received=error.strerror or type(error).__name__,
            fix=f"correct the file, or set {PASSWORD_VARIABLE}",
        ) from error
