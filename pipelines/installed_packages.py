"""Whether the installed packages are those that Kelp asks for, without importing them."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from packaging.requirements import Requirement

DISTRIBUTION = "kelp-mlops"


@dataclass(frozen=True)
class WrongPackage:
    """A package that is missing or of a wrong version."""

    name: str
    wanted: str
    installed: str | None


def wrong_packages() -> list[WrongPackage]:
    """The direct dependencies of Kelp that are not installed as it asks for them."""
    found = (_checked(Requirement(text)) for text in _requirements())
    return [one for one in found if one is not None]


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return [DISTRIBUTION]


def _checked(wanted: Requirement) -> WrongPackage | None:
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return None
    try:
        installed = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return WrongPackage(wanted.name, str(wanted.specifier) or "any version", None)
    if wanted.specifier.contains(installed, prereleases=True):
        return None
    return WrongPackage(wanted.name, str(wanted.specifier), installed)
