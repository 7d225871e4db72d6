"""The digest of the code that a node runs: a part of its key in the cache."""

from __future__ import annotations

from components.source_digest import source_digest
from pipelines.config.problem import LoadedConfig


def code_digest(module: str, loaded: LoadedConfig, *keys: str) -> str:
    """Gives the digest of what runs `module`, with the user's own code.

    Args:
      module: The module's import path.
      loaded: The validated config.
      keys: Keys of the config; the user's functions below them count, as does the user's task.
    """
    return source_digest(module, functions=loaded.user_functions("task", *keys))
