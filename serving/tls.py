"""TLS by certificate files: what the server shows, and whom a client trusts."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import EnvironmentProblem
from contracts.spec import Spec

if TYPE_CHECKING:
    import grpc


class TlsSpec(Spec):
    """The certificates of a server, as PEM files.

    Attributes:
      cert: The server's certificate, followed by those that lead to its root.
      key: Its private key, without a password.
      client_ca: Clients have to show a certificate that one of these has signed; None asks
        for none.
    """

    cert: str
    key: str
    client_ca: str | None = None

    def check(self) -> None:
        """Checks that the files can be read and belong together.

        Raises:
          EnvironmentProblem: one cannot be used; it and its key are named.
        """
        for key, path in self._files().items():
            _read(Path(path), f"tls.{key}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without an answer, a key with a password would ask for it on the terminal.
            context.load_cert_chain(self.cert, self.key, password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            raise EnvironmentProblem(
                "The server's certificate cannot be used.",
                where=f"tls.cert {self.cert}, tls.key {self.key}",
                expected="a certificate and its private key in PEM, without a password",
                received=str(error),
                fix="name files that belong together, or make the key anew without a password",
            ) from error
        if self.client_ca is not None:
            trusting(Path(self.client_ca), "tls.client_ca")

    def uvicorn_settings(self) -> dict[str, Any]:
        """What uvicorn's config says of it."""
        settings: dict[str, Any] = {"ssl_certfile": self.cert, "ssl_keyfile": self.key}
        if self.client_ca is not None:
            settings |= {"ssl_ca_certs": self.client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return settings

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """What a gRPC server shows.

        Raises:
          EnvironmentProblem: a file cannot be read any more.
        """
        import grpc

        content = {key: _read(Path(path), f"tls.{key}") for key, path in self._files().items()}
        return grpc.ssl_server_credentials(
            [(content["key"], content["cert"])],
            root_certificates=content.get("client_ca"),
            require_client_auth=self.client_ca is not None,
        )

    def _files(self) -> dict[str, str]:
        files = {"cert": self.cert, "key": self.key, "client_ca": self.client_ca}
        return {key: path for key, path in files.items() if path is not None}


def trusting(ca: Path | None, where: str = "--ca") -> ssl.SSLContext:
    """A client's TLS: it trusts the roots in a file, or those that are usual.

    Args:
      ca: A PEM file; None takes the usual roots.
      where: The option or the key that named the file.

    Raises:
      EnvironmentProblem: the file cannot be used.
    """
    import httpx

    if ca is None:
        return httpx.create_ssl_context()
    _read(ca, where)
    try:
        return ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError as error:
        raise EnvironmentProblem(
            "The file has no certificate to trust.",
            where=f"{where} {ca}",
            expected="certificates in PEM",
            received=str(error),
        ) from error


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(
            "A certificate file cannot be read.",
            where=f"{where} {path}",
            expected="a file in PEM that this user may read",
            received=error.strerror or str(error),
            fix="name the right file, or change its permissions",
        ) from error
