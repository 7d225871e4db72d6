"""A client that learns from the server what the model takes and gives."""

from __future__ import annotations

import random
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from contracts.arrays import Array
from contracts.errors import EnvironmentProblem
from serving._columns import check_columns, loads, read_outputs, request_body
from serving.codec.signature import DEFAULT_SIGNATURE, Port, Signature
from serving.metadata import signatures_of
from serving.tls import trusting

_BUSY = (429, 503)
_MODELS = "/v1/models/"


class RequestRefused(EnvironmentProblem):
    """The server answered with an error.

    Attributes:
      status: The HTTP status.
    """

    def __init__(self, status: int, message: str, where: str) -> None:
        super().__init__(
            "The server refused the request.",
            where=where,
            expected="status 200",
            received=f"{status}: {message}",
        )
        self.status = status


@dataclass(frozen=True)
class ClientOptions:
    """How a client goes about it.

    The wait before each further try is drawn between none and a bound that doubles, so that
    clients that failed together do not come back together.

    Attributes:
      api_key: What the server wants as `X-API-Key`.
      ca: The roots that the server's certificate is checked with; None takes the usual ones.
      batch_rows: How many rows go into a request.
      timeout_s: How long one try may take.
      tries: How often a request is sent at most, to a server that is busy or away.
      first_s: The bound of the first wait.
      most_s: The bound of any wait.
      transport: How requests travel, where not by the network.
      seed: Of the waits.
      sleep: How to wait.
    """

    api_key: str | None = None
    ca: Path | None = None
    batch_rows: int = 1024
    timeout_s: float = 30.0
    tries: int = 6
    first_s: float = 0.1
    most_s: float = 5.0
    transport: httpx.BaseTransport | None = None
    seed: int | None = None
    sleep: Callable[[float], None] = time.sleep


class Client:
    """Sends rows to one model.

    Attributes:
      signature: What the model takes and gives.

    Args:
      url: The server, or the whole address of the model: `.../v1/models/NAME/labels/stable`.
      model: The model's name, where the URL does not say it.
      version: One version of the model.
      label: Or the version with this label.
      signature: Which of the model's signatures to call.
      options: How to go about it.

    Raises:
      EnvironmentProblem: the server cannot be reached, or has no such model.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = DEFAULT_SIGNATURE,
        options: ClientOptions = ClientOptions(),
    ) -> None:
        self.url = model_url(url, model, version, label)
        self._options = options
        self._draw = random.Random(options.seed)  # no secret hangs on it
        self._http = httpx.Client(
            timeout=options.timeout_s,
            headers={"X-API-Key": options.api_key} if options.api_key else {},
            transport=options.transport,
            verify=trusting(options.ca) if self.url.startswith("https") else True,
        )
        try:
            self.signature = self._learn(signature)
        except BaseException:
            self._http.close()
            raise

    @property
    def inputs(self) -> Mapping[str, Port]:
        """What the model takes, by name."""
        return self.signature.inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """What the model gives, by name."""
        return self.signature.outputs

    def predict(self, columns: Mapping[str, Any]) -> dict[str, Array]:
        """Gives what the model answers for rows.

        Args:
          columns: By input, the values of all rows: an array or a list, the rows first.

        Returns:
          By output, an array with the rows first; text is an object array.

        Raises:
          EnvironmentProblem: the columns do not fit the model, which is found before anything is
            sent, or the server refuses them or cannot be reached.
        """
        checked = check_columns(columns, self.signature, self.url)
        rows = len(next(iter(checked.values())))
        parts = [
            self._predict(
                {
                    name: column[at : at + self._options.batch_rows]
                    for name, column in checked.items()
                }
            )
            for at in range(0, rows, self._options.batch_rows)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.outputs}

    def _predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        rows = len(next(iter(columns.values())))
        answer = self._ask("POST", ":predict", request_body(columns, self.signature.name))
        try:
            return read_outputs(answer, self.signature, rows)
        except (KeyError, TypeError, ValueError) as error:
            raise EnvironmentProblem(
                "The answer does not fit the model's metadata.",
                where=self.url,
                expected=f"{', '.join(self.outputs)} for {rows} rows",
                received=f"{type(error).__name__}: {error}",
                fix="make a new client if another version is served now",
            ) from error

    def _learn(self, name: str) -> Signature:
        signatures = signatures_of(self._ask("GET", "/metadata"), self.url)
        if name not in signatures:
            raise EnvironmentProblem(
                f"The model has no signature {name!r}.",
                where=self.url,
                expected=f"one of: {', '.join(sorted(signatures))}",
                received=name,
            )
        if not signatures[name].inputs:
            raise EnvironmentProblem(f"The signature {name!r} has no inputs.", where=self.url)
        return signatures[name]

    def _ask(self, method: str, what: str, body: bytes | None = None) -> Any:
        """Sends a request until it is answered, and gives the JSON of the answer."""
        url = f"{self.url}{what}"
        for left in range(self._options.tries - 1, -1, -1):
            try:
                answer = self._http.request(
                    method, url, content=body, headers={"Content-Type": "application/json"}
                )
            except httpx.TransportError as error:
                # What took too long once will again.
                if not left or isinstance(error, httpx.ReadTimeout | httpx.UnsupportedProtocol):
                    raise _unreachable(url, error) from error
                asked_s = 0.0
            else:
                if answer.status_code not in _BUSY or not left:
                    return _content(answer)
                asked_s = _seconds(answer.headers.get("Retry-After", ""))
            self._options.sleep(self._wait(self._options.tries - 1 - left, asked_s))
        raise AssertionError("unreachable: the last try returns or raises")

    def _wait(self, tried: int, asked_s: float) -> float:
        bound = min(self._options.most_s, self._options.first_s * 2.0**tried)
        return min(self._options.most_s, asked_s) + self._draw.uniform(0, bound)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def model_url(
    url: str, model: str | None = None, version: int | None = None, label: str | None = None
) -> str:
    """The address of a model, of one version of it, or of one label.

    Raises:
      EnvironmentProblem: the model is not said, said twice, or both version and label are.
    """
    base, models, place = url.rstrip("/").partition(_MODELS)
    known, _, rest = place.partition("/")
    if bool(models) == (model is not None) or (rest and (version is not None or label)):
        raise EnvironmentProblem(
            "It must be said once which model is meant.",
            where=url,
            expected="http://HOST:PORT/v1/models/NAME, or http://HOST:PORT and the name",
            received=f"{url} and {model!r}",
        )
    if version is not None and label is not None:
        raise EnvironmentProblem("It is a version or a label that is meant, not both.", where=url)
    if model is not None:
        known = urllib.parse.quote(model, safe="")
    if version is not None:
        rest = f"versions/{version}"
    elif label is not None:
        rest = f"labels/{urllib.parse.quote(label, safe='')}"
    return f"{base}{_MODELS}{known}" + (f"/{rest}" if rest else "")


def _content(answer: httpx.Response) -> Any:
    try:
        content = loads(answer.content)
    except ValueError:
        content = None
    if answer.status_code == httpx.codes.OK and content is not None:
        return content
    reason = content.get("error") if isinstance(content, dict) else None
    message = str(reason) if reason else answer.text[:200] or answer.reason_phrase
    raise RequestRefused(answer.status_code, message, str(answer.url))


def _unreachable(url: str, error: httpx.TransportError) -> EnvironmentProblem:
    return EnvironmentProblem(
        "The server cannot be reached.",
        where=url,
        expected="an answer to an HTTP request",
        received=f"{type(error).__name__}: {error}",
        fix="start it, `kelp serve` for example, or correct the URL",
    )


def _seconds(seconds: str) -> float:
    """Of `Retry-After`; a date instead of seconds says nothing here."""
    return float(seconds) if seconds.isascii() and seconds.isdecimal() else 0.0
