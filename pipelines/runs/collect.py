"""What a run came to, read from its components' artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from tfx.components.evaluator.constants import ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY

from components.artifacts import rows_of
from components.evaluator.results import read_evaluation
from components.package_versions import package_versions
from components.source_digest import source_digest
from components.tracker.component import TRACKED_FILE
from components.tracker.variants import place_variant
from components.variant_pusher.component import PUSHED_FILE
from contracts.files import read_json
from contracts.results.advice import Advice
from contracts.results.audit import AuditReport, read_findings
from contracts.results.baselines import BaselineReport
from contracts.results.evidence import Evidence, FoldMetrics, NotMeasured, StressResult
from contracts.results.files import ResultFile, read_result
from contracts.results.gates import GateReport
from contracts.results.sample import SampledRows
from contracts.results.summary import (
    BaselineMetrics,
    CandidateMetrics,
    Digests,
    MlflowRun,
    RunTraining,
    Summary,
)
from contracts.results.training import TrainingReport
from contracts.results.variant import PlacedVariant, VariantVerdict
from contracts.storage.staging import local_place, stage
from evidence.variant_choice import recommend
from models.features.numeric import NumericSpec
from models.training.config import can_add_teacher
from pipelines.config.problem import LoadedConfig
from pipelines.execution.nodes import Outputs
from pipelines.runs.advising import advice_of_run
from pipelines.runs.costs import cost_of_candidate, run_of_model
from pipelines.runs.figure_slices import slices_by_figures
from pipelines.runs.warning_lines import warning_lines

R = TypeVar("R", bound=ResultFile)


def complete(
    loaded: LoadedConfig,
    facts: Mapping[str, Any],
    outputs: Mapping[str, Outputs],
    more_folders: Mapping[str, Path],
) -> Summary:
    """Builds the summary of a run.

    Args:
      loaded: The run's config.
      facts: How the run went: the fields of the summary that the runner knows.
      outputs: By component, its artifacts by output key; a failed run has fewer.
      more_folders: Folders that are no artifact's, by what they hold.
    """
    folders = folders_of(outputs) | {name: str(path) for name, path in more_folders.items()}
    variants = _variants(loaded, outputs)
    training = _training(outputs)
    mlflow = _mlflow(outputs)
    warnings = []
    if "DataGate" in outputs:
        warnings += warning_lines(read_findings(stage(folders["data_verdict"])))
    if mlflow is not None and mlflow.warning:
        warnings.append(f"this run is not in MLflow: {mlflow.warning}")
    return Summary(
        name=loaded.config.name,
        **facts,
        rows=rows_of(outputs["ExampleGen"]["examples"][0]) if "ExampleGen" in outputs else {},
        **_verdict(loaded, outputs),
        candidate=_candidate(loaded, outputs),
        cost=cost_of_candidate(training, _folder(outputs, "Trainer", "model"), variants),
        pushed_to=_pushed_to(outputs),
        advice=_advice(loaded, outputs, variants),
        variants=variants,
        recommended=recommend(variants),
        training=training,
        not_measured=_not_measured(loaded, outputs),
        sampled=_sampled(outputs),
        warnings=warnings,
        mlflow=mlflow,
        digests=Digests(
            config=loaded.digest,
            data=_data_digest(outputs),
            source=source_digest("pipelines.graph", functions=loaded.user_functions()),
        ),
        seed=loaded.config.seed,
        config=str(loaded.path),
        overrides=list(loaded.overrides),
        folders=folders,
        versions=package_versions(),
    )


def _not_measured(loaded: LoadedConfig, outputs: Mapping[str, Outputs]) -> list[NotMeasured]:
    """What the kinds of features, or the network, do not offer."""
    missing = [
        NotMeasured(what=what, features=list(features), reason="not measured for this kind")
        for what, features in loaded.config.declared_problem().not_offered().items()
    ]
    baselines = _read(outputs, "BaselineModels", "baselines", BaselineReport)
    stress = _read(outputs, "Stress", "report", StressResult)
    return missing + [entry for one in (baselines, stress) if one for entry in one.not_measured]


def _folder(outputs: Mapping[str, Outputs], component: str, key: str) -> Path | None:
    """The folder of an artifact; None where the run stopped before its component had ended."""
    artifacts = outputs.get(component, {}).get(key)
    return stage(artifacts[0].uri) if artifacts else None


def _read(outputs: Mapping[str, Outputs], component: str, key: str, kind: type[R]) -> R | None:
    folder = _folder(outputs, component, key)
    return None if folder is None else read_result(folder, kind)


# By component: the artifact whose result says what is on a sample, and the result.
_Sampling = AuditReport | FoldMetrics | BaselineReport | StressResult | Evidence
_SAMPLING: Mapping[str, tuple[str, type[_Sampling]]] = {
    "DataGate": ("verdict", AuditReport),
    "CrossValidation": ("folds", FoldMetrics),
    "BaselineModels": ("baselines", BaselineReport),
    "Stress": ("report", StressResult),
    "ModelGate": ("verdict", Evidence),
}


def _sampled(outputs: Mapping[str, Outputs]) -> list[SampledRows]:
    """Which figures are on a sample, as the components say."""
    results = (_read(outputs, name, key, kind) for name, (key, kind) in _SAMPLING.items())
    return [entry for result in results if result for entry in result.sampled]


def _data_digest(outputs: Mapping[str, Outputs]) -> str | None:
    if "ExampleGen" not in outputs:
        return None
    examples = outputs["ExampleGen"]["examples"][0]
    digest: str = examples.get_string_custom_property("input_fingerprint")
    return digest


def _training(outputs: Mapping[str, Outputs]) -> RunTraining | None:
    if "Trainer" not in outputs:
        return None
    place = outputs["Trainer"]["model_run"][0].uri
    return RunTraining(**dict(read_result(stage(place), TrainingReport)), folder=place)


def _candidate(loaded: LoadedConfig, outputs: Mapping[str, Outputs]) -> CandidateMetrics | None:
    folder = _folder(outputs, "Evaluator", "evaluation")
    if folder is None:
        return None
    evaluated = read_evaluation(str(folder), loaded.config.evaluation.min_slice_rows)
    evidence = _read(outputs, "ModelGate", "verdict", Evidence)
    figures = loaded.config.declared_problem().slice_figures()
    more = slices_by_figures(evidence, figures) if evidence else []
    return evaluated.model_copy(update={"slices": [*evaluated.slices, *more]})


def _verdict(loaded: LoadedConfig, outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    """The fields of the summary that the ModelGate decides."""
    folder = _folder(outputs, "ModelGate", "verdict")
    if folder is None:
        return {}
    verdict, evidence = read_result(folder, GateReport), read_result(folder, Evidence)
    reasons = [gate.reason for gate in verdict.gates if gate.outcome in ("block", "warn")]
    metrics = {
        name: entry.baseline.value
        for name, entry in evidence.metrics.items()
        if entry.baseline is not None
    }
    if not metrics and loaded.config.evaluation.change:
        reasons.append("No model was blessed before: the change bounds were not applied.")
    return {
        "baseline": _predecessor(loaded, outputs, metrics) if metrics else None,
        "blessed": verdict.blessed,
        "reasons": reasons,
        "gates": verdict.gates,
        "metric": evidence.metric,
        "intervals": {name: entry.candidate for name, entry in evidence.metrics.items()},
    }


def _predecessor(
    loaded: LoadedConfig, outputs: Mapping[str, Outputs], metrics: dict[str, float | None]
) -> BaselineMetrics:
    """The last blessed model, with the costs that its own run measured."""
    blessing = outputs["ModelGate"]["blessing"][0]
    model = blessing.get_string_custom_property(ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY)
    run = run_of_model(local_place(loaded.config.runs) / loaded.config.name, model)
    if run is None:
        return BaselineMetrics(metrics=metrics)
    return BaselineMetrics(metrics=metrics, run_id=run.run_id, cost=run.cost)


def _advice(
    loaded: LoadedConfig, outputs: Mapping[str, Outputs], variants: list[PlacedVariant]
) -> Advice | None:
    evidence = _read(outputs, "ModelGate", "verdict", Evidence)
    if evidence is None:
        return None
    features = loaded.config.features.values()
    numbers = [feature for feature in features if isinstance(feature, NumericSpec)]
    return advice_of_run(
        evidence,
        _read(outputs, "BaselineModels", "baselines", BaselineReport),
        _read(outputs, "DataGate", "verdict", AuditReport),
        variants,
        equal_within=loaded.config.evaluation.baselines.equal_within,
        is_linear=loaded.config.network.kind == "linear",
        is_piecewise=not numbers or any(number.embedding == "piecewise" for number in numbers),
        can_be_taught=can_add_teacher(loaded.config.training, loaded.config.declared_problem()),
    )


def _pushed_to(outputs: Mapping[str, Outputs]) -> str | None:
    if "Pusher" not in outputs:
        return None
    pushed = outputs["Pusher"]["pushed_model"][0]
    return pushed.get_string_custom_property("pushed_destination") or None


def _mlflow(outputs: Mapping[str, Outputs]) -> MlflowRun | None:
    folder = _folder(outputs, "Tracker", "tracked")
    return MlflowRun.model_validate(read_json(folder / TRACKED_FILE)) if folder else None


def _variants(loaded: LoadedConfig, outputs: Mapping[str, Outputs]) -> list[PlacedVariant]:
    folder = _folder(outputs, "VariantPusher", "pushed_variants")
    places: Mapping[str, str] = read_json(folder / PUSHED_FILE)["pushed"] if folder else {}
    evaluated = (outputs.get(f"VariantEvaluator.{name}") for name in loaded.config.variants)
    return [
        place_variant(read_result(stage(kept["verdict"][0].uri), VariantVerdict), places)
        for kept in evaluated
        if kept is not None
    ]


_FOLDERS = {
    "evidence": ("ModelGate", "verdict"),
    "data_verdict": ("DataGate", "verdict"),
    "model_run": ("Trainer", "model_run"),
    "model": ("Trainer", "model"),
    "examples": ("ExampleGen", "examples"),
    "statistics": ("StatisticsGen", "statistics"),
    "schema": ("DataGate", "schema"),
    "predictions": ("Predictions", "predictions"),
    "baselines": ("BaselineModels", "baselines"),
    "stress": ("Stress", "report"),
    "folds": ("CrossValidation", "folds"),
    "pushed": ("Pusher", "pushed_model"),
}


def folders_of(outputs: Mapping[str, Outputs]) -> dict[str, str]:
    """Gives where the artifacts are that a run left, by what they hold."""
    return {
        name: outputs[component][key][0].uri
        for name, (component, key) in _FOLDERS.items()
        if outputs.get(component, {}).get(key)
    }
