"""`kelp why`: gate by gate why a model was or was not blessed, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.tracker.registry import Registry, Version, open_registry
from components.tracker.variants import VARIANTS_FILE
from contracts.errors import ConfigError
from contracts.results.evidence import Evidence
from contracts.results.files import ResultFile, parse_result, read_result
from contracts.results.gates import Gate, GateReport
from contracts.results.summary import Summary
from contracts.results.variant import PlacedVariant
from contracts.storage.staging import stage_if_there
from contracts.text import some
from pipelines.commands.models import no_model
from pipelines.commands.registry_choice import mlflow_of
from pipelines.execution.remote_root import local_runs
from pipelines.runs.find import LATEST, find_run, look_for_run
from pipelines.runs.lineage import lineage_lines, lineage_of_run
from pipelines.runs.variant_table import gate_cells, show_variants, variant_gates

R = TypeVar("R", bound=ResultFile)
_SAMPLE = ("metric", "rows", "resamples", "confidence")


@dataclass(frozen=True)
class Why:
    """The verdict on one model.

    Attributes:
      title: Which version or run it is about.
      blessed: The verdict.
      status: What the run came to, where it failed.
      gates: The gates.
      evidence: For the rows, resamples and confidence of the intervals.
      lineage: As the Tracker's `lineage.json`.
      places: MLflow's run, the registered version, where it was pushed.
      variants: The verdicts on its variants.
    """

    title: str
    blessed: bool
    status: str
    gates: list[Gate]
    evidence: Evidence | None
    lineage: dict[str, Any]
    places: dict[str, str] = field(default_factory=dict)
    variants: list[PlacedVariant] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        evidence = None if self.evidence is None else self.evidence.to_json()
        return {
            "title": self.title,
            "blessed": self.blessed,
            "status": self.status,
            "gates": [gate.model_dump(mode="json") for gate in self.gates],
            "sample": {name: evidence[name] for name in _SAMPLE} if evidence else {},
            "lineage": self.lineage,
            "places": self.places,
            "variants": [variant.to_json() for variant in self.variants],
        }


def explain_verdict(words: tuple[str, ...]) -> Why:
    """Finds the version or the run that is meant, and its verdict.

    Args:
      words: `[NAME] [VERSION|RUN]`; nothing means the latest run.

    Raises:
      ConfigError: There is no such version or run.
      EnvironmentProblem: MLflow is needed and cannot be read.
    """
    wanted = words[-1] if words else None
    name = words[0] if len(words) > 1 else None
    if name is not None and Path(name).suffix in (".yaml", ".yml"):
        return _explain_by_config(name, str(wanted))
    if not _is_number(wanted):
        folder = find_run(None) if wanted is None else look_for_run(wanted, name)
        if folder is not None:
            return of_run(folder)
    return of_version(*mlflow_of(name), str(wanted))


def _explain_by_config(config: str, wanted: str) -> Why:
    """As `explain_verdict`, for a config: its MLflow and its run folders."""
    from pipelines.config.problem import load_config

    loaded = load_config(Path(config)).config
    if not _is_number(wanted):
        folder = look_for_run(
            wanted, loaded.name, local_runs(loaded.runs, loaded.name, wanted or LATEST)
        )
        if folder is not None:
            return of_run(folder)
    return of_version(*mlflow_of(config), wanted)


def _is_number(wanted: str | None) -> bool:
    return wanted is not None and wanted.removeprefix("v").isdecimal()


def of_version(uri: str, name: str | None, wanted: str) -> Why:
    """Explains a registered version, from MLflow alone."""
    with open_registry(uri) as registry:
        version = registry.find(_the_model(registry, name), wanted)
        where = f"{registry.uri}, run {version.run_id}"

        def read(kind: type[R]) -> R | None:
            content = registry.read(version.run_id, kind.FILE)
            return None if content is None else parse_result(content, kind, where)

        gates, evidence = read(GateReport), read(Evidence)
        lineage = registry.read(version.run_id, "lineage.json")
        variants = registry.read(version.run_id, VARIANTS_FILE) or []
    if gates is None or evidence is None or lineage is None:
        raise ConfigError(
            "the version was not registered by Kelp, or its files were deleted",
            where=where,
            expected="gates.json, evidence.json and lineage.json",
        )
    return Why(
        title=f"{version.name}, version {version.number}",
        blessed=gates.blessed,
        status="",
        gates=gates.gates,
        evidence=evidence,
        lineage=lineage,
        places=_version_places(version, registry.uri),
        variants=[parse_result(variant, PlacedVariant, where) for variant in variants],
    )


def _the_model(registry: Registry, name: str | None) -> str:
    names = registry.names()
    if name is None:
        if len(names) == 1:
            return names[0]
        raise ConfigError(
            "which model?" if names else "no model is registered: only blessed ones are",
            where=registry.uri,
            expected=f"the name of one: {some(names)}" if names else "",
            fix=f"kelp why {names[0]} VERSION" if names else "kelp why RUN explains a run",
        )
    if name not in names:
        raise no_model(registry, name, names)
    return name


def _version_places(version: Version, uri: str) -> dict[str, str]:
    return {
        "aliases": ", ".join(version.aliases) or "none",
        "pushed to": version.pushed_to or "nowhere",
        "MLflow": f"run {version.run_id} at {uri}",
    }


def of_run(folder: Path) -> Why:
    """Explains a run, blessed or not, from its folder."""
    summary = read_result(folder, Summary)
    tracked = summary.mlflow
    place = summary.folders.get("evidence")
    evidence = stage_if_there(place) if place else None
    places = {"pushed to": summary.pushed_to or "nowhere"}
    if tracked is not None and tracked.run_id:
        places["MLflow"] = f"run {tracked.run_id} at {tracked.uri}"
        version = tracked.model_version
        places["registered"] = f"version {version}" if version else "no"
    status: str = "" if summary.status == "succeeded" else summary.status
    if status and summary.error:
        status += f": {summary.error[0].removeprefix('error: ')}"
    return Why(
        title=f"{summary.name}, run {summary.run_id}",
        blessed=summary.blessed,
        status=status,
        gates=summary.gates,
        evidence=read_result(evidence, Evidence) if evidence is not None else None,
        lineage=lineage_of_run(folder, summary),
        places=places,
        variants=summary.variants,
    )


def render(why: Why, console: Console) -> None:
    """Prints verdict, gates and lineage."""
    verdict = "blessed" if why.blessed else "not blessed"
    console.print(f"[bold]{escape(why.title)}: {verdict}[/bold]", highlight=False)
    if why.status:
        console.print(why.status, markup=False, highlight=False)
    for gate in why.gates:
        if gate.outcome != "pass":
            line = f"  {gate.outcome}: {gate.reason}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if why.gates:
        console.print(_gate_table(why))
    else:
        console.print("no gate was reached", highlight=False)
    if why.variants:
        show_variants(why.variants, why.places.get("pushed to"), console)
        console.print(variant_gates(why.variants))
    console.print(_lineage_table(why))
    if why.lineage["artifacts"]:
        console.print(_artifact_table(why.lineage["artifacts"]))


def _gate_table(why: Why) -> Table:
    table = Table(title=_caption(why.evidence), title_justify="left")
    for heading in ("outcome", "gate", "metric", "slice or subject", "value", "bound"):
        table.add_column(heading, overflow="fold")
    for gate in why.gates:
        table.add_row(*gate_cells(gate, gate.subject))
    return table


def _caption(evidence: Evidence | None) -> str:
    if evidence is None:
        return "gates"
    sample = f"{evidence.resamples:,} resamples of {evidence.rows:,} rows"
    return f"gates; {evidence.confidence:.0%} intervals of {sample}"


def _lineage_table(why: Why) -> Table:
    table = Table(title="lineage", title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in [*lineage_lines(why.lineage), *why.places.items()]:
        table.add_row(name, escape(text))
    return table


def _artifact_table(artifacts: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title="metadata store", title_justify="left")
    for heading in ("execution", "component", "artifact", "type", "folder"):
        table.add_column(heading, overflow="fold")
    for entry in sorted(artifacts.values(), key=lambda entry: entry["execution"] or 0):
        cells = (entry["execution"], entry["component"], entry["id"], entry["type"], entry["uri"])
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    return table
