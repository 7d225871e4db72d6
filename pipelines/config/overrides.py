"""Overrides of a config on the command line: `key.sub=value`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts import yaml
from contracts.errors import ConfigError
from contracts.text import shorten
from contracts.yaml import KeyPath, dotted


@dataclass(frozen=True)
class Override:
    """One override: its text, and the key that it sets."""

    text: str
    path: KeyPath


@dataclass(frozen=True)
class Overridden:
    """The config's values with the overrides applied, the last override first."""

    value: dict[str, Any]
    overrides: tuple[Override, ...]


def apply_overrides(value: Mapping[str, Any], overrides: Sequence[str]) -> Overridden:
    """Sets every override in a copy of `value`; unknown keys are left to validation."""
    changed: dict[str, Any] = copy.deepcopy(dict(value))
    applied: list[Override] = []
    for text in overrides:
        key, separator, right = text.partition("=")
        if not separator or not key.strip(". "):
            raise ConfigError(
                "an override that is not key=value",
                where=f"command line, {text!r}",
                expected="an override such as training.epochs=5",
                received=repr(text),
            )
        path = _resolve(changed, key.strip())
        _set(changed, path, yaml.parse(right, f"command line, override {text}").value, text)
        applied.append(Override(text, path))
    return Overridden(changed, tuple(reversed(applied)))


def _resolve(value: object, key: str) -> KeyPath:
    """Splits at the dots, except at those that are part of a key of the config."""
    path: list[str | int] = []
    rest = key.split(".")
    while rest:
        lengths = range(len(rest), 0, -1)
        known = value if isinstance(value, Mapping) else {}
        taken = next((n for n in lengths if ".".join(rest[:n]) in known), 1)
        part = ".".join(rest[:taken])
        path.append(part)
        value = known.get(part)
        rest = rest[taken:]
    return tuple(path)


def _set(value: dict[str, Any], path: KeyPath, new: object, text: str) -> None:
    here = value
    for index, part in enumerate(path[:-1]):
        inner = here.get(str(part))
        if inner is None:
            inner = here[str(part)] = {}
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{dotted(path[: index + 1])} has no keys of its own",
                where=f"command line, override {text}",
                expected=f"{dotted(path[: index + 1])}=value, the whole of it",
                received=f"{dotted(path)}, where the config has {shorten(inner)}",
            )
        here = inner
    here[str(path[-1])] = new
