"""Whether the installed packages are those that Kelp asks for, without importing them."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from packaging.requirements import Requirement

DISTRIBUTION = "kelp-mlops"


@dataclass(frozen=True)
class Misfit:
    """A package that is missing or of a wrong version."""

    name: str
    wanted: str
    installed: str | None


def misfit_packages() -> list[Misfit]:
    """The direct dependencies of Kelp that are not installed as it asks for them."""
    found = (_misfit(Requirement(text)) for text in _requirements())
    return [one for one in found if one is not None]


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return [DISTRIBUTION]


def _misfit(wanted: Requirement) -> Misfit | None:
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return None
    try:
        installed = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return Misfit(wanted.name, str(wanted.specifier) or "any version", None)
    if wanted.specifier.contains(installed, prereleases=True):
        return None
    return Misfit(wanted.name, str(wanted.specifier), installed)
