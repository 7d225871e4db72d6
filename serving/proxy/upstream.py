"""The way to the server behind the proxy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from serving.errors import ServingError
from serving.tls import trusting

Headers = list[tuple[bytes, bytes]]

# What is about one connection only, or is no longer true of the body that is passed on.
_NOT_PASSED = frozenset(
    (
        b"connection",
        b"content-encoding",
        b"content-length",
        # Whoever answers gives an answer its date: the proxy.
        b"date",
        b"expect",
        b"host",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_KEEP_ALIVE_S = 4.0


@dataclass(frozen=True)
class Passed:
    """An answer of the server.

    Attributes:
      status: Its status.
      headers: Its headers, without those of its connection.
      body: Its body.
    """

    status: int
    headers: Headers
    body: bytes


class Upstream:
    """Sends requests on.

    Args:
      url: The server.
      timeout_s: The most time until it answers.
      connections: The most connections to it.
      transport: How requests travel, where not by the network.
      ca: The roots that its certificate is checked with; None takes the usual ones.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float,
        connections: int,
        transport: httpx.AsyncBaseTransport | None = None,
        ca: Path | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
            # A server that closes a connection just when it is used again costs a try.
            limits=httpx.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=_KEEP_ALIVE_S,
            ),
            transport=transport,
            verify=trusting(ca, "--upstream-ca") if url.startswith("https") else True,
            # Loopback is not behind the proxies of the environment.
            trust_env=False,
        )

    async def send(
        self, verb: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> Passed:
        """Sends a request on and gives its answer, whatever its status.

        Args:
          verb: The HTTP method.
          target: Path and query, as they were sent.
          headers: Of the request.
          body: Its body, inflated.

        Raises:
          ServingError: the server is away, too slow, or breaks off.
        """
        passed = [one for one in headers if one[0] not in {*_NOT_PASSED, b"accept-encoding"}]
        passed.append((b"accept-encoding", b"identity"))
        url = httpx.URL(self.url)
        url = url.copy_with(raw_path=url.raw_path.rstrip(b"/") + target)
        request = self._http.build_request(verb, url, headers=passed, content=body)
        try:
            answer = await self._send(request)
        except httpx.ConnectError as error:
            raise ServingError(503, f"The server behind the proxy is away: {error}") from error
        except httpx.TimeoutException as error:
            raise ServingError(504, "The server behind the proxy takes too long") from error
        except httpx.TransportError as error:
            raise ServingError(502, f"The server behind the proxy broke off: {error}") from error
        kept = [(name.lower(), value) for name, value in answer.headers.raw]
        kept = [one for one in kept if one[0] not in _NOT_PASSED]
        return Passed(answer.status_code, kept, answer.content)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A connection that lay idle may have been closed at the other end meanwhile. A
            # prediction changes nothing, so that it can be asked for again.
            return await self._http.send(request)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
