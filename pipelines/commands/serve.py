"""A served model, asked from the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.prediction.remote import RemotePredictor

API_KEY = "KELP_API_KEY"


@contextmanager
def asking(url: str, name: str | None, ca: Path | None = None) -> Iterator[RemotePredictor]:
    """A model that a server has, as `kelp predict` takes artifacts.

    Args:
      url: The server, or the whole address of a model, a version or a label.
      name: The model's name, where the URL does not say it.
      ca: The roots that the server's certificate is checked with; None takes the usual ones.

    Raises:
      KelpError: the server cannot be reached, refuses, or has no such model.
    """
    from serving.client import Client, ClientOptions

    options = ClientOptions(api_key=os.environ.get(API_KEY), ca=ca)
    with Client(url, name, options=options) as client:
        yield RemotePredictor(client)
