"""What is wrong with one key of a config."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines._yaml import KeyPath


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one key."""

    path: KeyPath
    what: str
    expected: str = ""
    received: str = ""
    fix: str = ""
