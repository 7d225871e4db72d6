"""What is wrong with one key of a config."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.config.yaml_lines import KeyPath


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one key."""

    path: KeyPath
    what: str
    expected: str = ""
    received: str = ""
    fix: str = ""
