"""`kelp models`: the registered versions, their aliases and main metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.tracker.registry import Registry, Version, open_registry
from contracts.errors import ConfigError
from contracts.text import did_you_mean, some
from pipelines.commands.registry_choice import mlflow_of

# A narrow terminal breaks these lines: behind a metric's value, and within a long path.
_LEAST_WIDTHS = {"metrics": 16, "pushed to": 18}


def list_versions(target: str | None) -> list[dict[str, Any]]:
    """Gives the registered versions, newest first, model by model.

    Args:
      target: A config, the name of a model, or None for all models.

    Raises:
      ConfigError: there is no such model.
      EnvironmentProblem: MLflow cannot be read.
    """
    uri, name = mlflow_of(target)
    with open_registry(uri) as registry:
        names = registry.names()
        if name is not None and name not in names:
            raise no_model(registry, name, names)
        chosen = names if name is None else [name]
        return [_describe(version) for one in chosen for version in registry.versions(one)]


def no_model(registry: Registry, name: str, names: list[str]) -> ConfigError:
    """The error about a model that is not registered."""
    return ConfigError(
        f"no version of {name!r} is registered",
        where=registry.uri,
        expected=f"one of: {some(names)}" if names else "a blessed model",
        received=name,
        fix=did_you_mean(name, names) or f"only blessed models are registered: kelp why {name}",
    )


def _describe(version: Version) -> dict[str, Any]:
    created = datetime.fromtimestamp(version.created_ms / 1000, timezone.utc)
    return {
        "name": version.name,
        "version": version.number,
        "aliases": list(version.aliases),
        "blessed": version.tags.get("blessed") == "true",
        "pushed_to": version.pushed_to or None,
        "created": created.isoformat(timespec="seconds"),
        "main_metrics": version.shown_metrics,
        "metrics": version.metrics,
        "run": version.tags.get("run"),
        "mlflow_run": version.run_id,
    }


def render(versions: list[dict[str, Any]], console: Console) -> None:
    """Prints one row a version."""
    if not versions:
        console.print("no model is registered: only blessed ones are")
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("model", "version", "aliases", "metrics", "pushed to", "registered"):
        least = _LEAST_WIDTHS.get(heading)
        table.add_column(heading, overflow="fold", min_width=least, no_wrap=least is None)
    for version in versions:
        table.add_row(
            version["name"],
            str(version["version"]),
            "\n".join(version["aliases"]),
            "\n".join(_metric(version["metrics"], name) for name in version["main_metrics"]),
            escape(version["pushed_to"] or ""),
            version["created"][:10],
        )
    console.print(table)


def _metric(metrics: Mapping[str, float], name: str) -> str:
    text = f"{name} {metrics[name]:.4f}"
    low, high = metrics.get(f"{name}.low"), metrics.get(f"{name}.high")
    if low is None or high is None:
        return text
    return escape(f"{text} [{low:.4f}, {high:.4f}]")
