"""The command line's way to `serving`, which no other module of the pipelines imports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import EnvironmentProblem
from pipelines._remote import RemotePredictor

API_KEY = "KELP_API_KEY"


@contextmanager
def serving_errors() -> Iterator[None]:
    """Turns what serving has to say to its operator into an error of Kelp's.

    Raises:
      EnvironmentProblem: serving told of a problem.
    """
    from serving.errors import ServingProblem

    try:
        yield
    except ServingProblem as problem:
        raise EnvironmentProblem(
            problem.what,
            where=problem.where,
            expected=problem.expected,
            received=problem.received,
            fix=problem.fix,
        ) from problem


@contextmanager
def asking(url: str, name: str | None) -> Iterator[RemotePredictor]:
    """A model that a server has, as `kelp predict` takes artifacts.

    Args:
      url: The server, or the whole address of a model, a version or a label.
      name: The model's name, where the URL does not say it.

    Raises:
      KelpError: the server cannot be reached, refuses, or has no such model.
    """
    from serving.client import Client, ClientOptions

    options = ClientOptions(api_key=os.environ.get(API_KEY))
    with serving_errors(), Client(url, name, options=options) as client:
        yield RemotePredictor(client)
