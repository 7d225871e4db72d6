"""What a server and the proxy before it say about a model."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Any

import httpx

from contracts.errors import EnvironmentProblem
from serving._columns import loads
from serving.release.state import Release

AVAILABLE = "AVAILABLE"
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class VersionState:
    """What the server says of a version.

    Attributes:
      state: Such as AVAILABLE; empty where it says nothing.
      error: What went wrong; empty where nothing did.
    """

    state: str = ""
    error: str = ""


class ServerView:
    """Asks a server, by its REST API, and a proxy.

    Args:
      server: The server's URL.
      proxy: The proxy's; None where there is none.
      api_key: What they want as `X-API-Key`.
    """

    def __init__(self, server: str, proxy: str | None, api_key: str | None = None) -> None:
        self.server = server.rstrip("/")
        self.proxy = proxy.rstrip("/") if proxy else None
        self._http = httpx.Client(
            timeout=_TIMEOUT_S,
            headers={"X-API-Key": api_key} if api_key else {},
            # A new connection each time: a server may have several workers.
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def states(self, name: str) -> dict[int, VersionState]:
        """The versions of a model; none where the server does not know it, or is away."""
        content = self._get(f"{self.server}/v1/models/{_quoted(name)}")
        statuses = content.get("model_version_status") if isinstance(content, dict) else None
        return {
            int(one["version"]): VersionState(
                one["state"], one.get("status", {}).get("error_message", "")
            )
            for one in statuses or ()
        }

    def labelled(self, name: str, label: str) -> int | None:
        """The version that answers to a label; None where none does.

        The metadata say so: of the status, TensorFlow Serving gives all versions, whatever
        the label.
        """
        path = f"/v1/models/{_quoted(name)}/labels/{_quoted(label)}/metadata"
        content = self._get(f"{self.server}{path}")
        try:
            return int(content["model_spec"]["version"])
        except (KeyError, TypeError, ValueError):
            return None

    def figures(self, name: str) -> dict[str, Any] | None:
        """The proxy's page of the release; None where it has none, or is away."""
        assert self.proxy is not None
        content = self._get(f"{self.proxy}/monitoring/kelp/releases/{_quoted(name)}")
        return content if isinstance(content, dict) and "labels" in content else None

    def follows(self, name: str, release: Release) -> bool:
        """Whether the proxy goes by this release."""
        page = self.figures(name)
        return page is not None and Release.model_validate(page["release"]) == release

    def require(self, name: str) -> None:
        """Refuses to go on without a server, or without the proxy that is named.

        Raises:
          KelpError: one of them is away.
        """
        model = f"{self.server}/v1/models/{_quoted(name)}"
        self._reach(model, "The server cannot be reached.", "start it, `kelp serve` for example")
        if self.proxy is not None:
            fix = f"kelp proxy --upstream {self.server}"
            self._reach(f"{self.proxy}/healthz", "The proxy cannot be reached.", fix)

    def _reach(self, url: str, what: str, fix: str) -> None:
        try:
            self._http.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EnvironmentProblem(
                what,
                where=url,
                expected="an answer to an HTTP request",
                received=f"{type(error).__name__}: {error}",
                fix=fix,
            ) from error

    def _get(self, url: str) -> Any:
        """The JSON of an answer; None where there is none: whoever asks will ask again."""
        try:
            answer = self._http.get(url)
            return loads(answer.content) if answer.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, ValueError):
            return None

    def __enter__(self) -> ServerView:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")
