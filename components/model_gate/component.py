"""The ModelGate component: weighs the evidence, and blesses or refuses the candidate."""

import json
from pathlib import Path
from typing import Any, List  # noqa: UP035 (TFX looks for this one)

from tfx.components.evaluator import constants as evaluator_constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact

from components.artifacts import (
    BaselineModels,
    CrossValidation,
    ModelVerdict,
    Predictions,
    StressReport,
)
from components.baseline_models.files import read_baselines
from components.evaluator.results import read_evaluation
from components.model_gate.gates import is_blessed, judge
from components.model_gate.tfma_parity import tfma_parity
from contracts.results.evidence import FoldMetrics, StressResult
from contracts.results.files import read_result, write_result
from contracts.results.gates import GateReport
from evidence.config import EvaluationSpec
from evidence.evidence import evidence
from evidence.prediction_table import read_predictions


@component
def ModelGate(  # noqa: N802 (a TFX component is named as a class)
    predictions: InputArtifact[Predictions],
    evaluation: InputArtifact[standard_artifacts.ModelEvaluation],
    model: InputArtifact[standard_artifacts.Model],
    blessing: OutputArtifact[standard_artifacts.ModelBlessing],
    verdict: OutputArtifact[ModelVerdict],
    spec: Parameter[str],
    seed: Parameter[int],
    cluster_columns: Parameter[str],
    source_digest: Parameter[str],
    stress: InputArtifact[List[StressReport]] = None,  # noqa: UP006
    baseline_models: InputArtifact[List[BaselineModels]] = None,  # noqa: UP006
    folds: InputArtifact[List[CrossValidation]] = None,  # noqa: UP006
    baseline_model: InputArtifact[List[standard_artifacts.Model]] = None,  # noqa: UP006
) -> None:
    """Writes `evidence.json` and `gates.json`; the blessing's `blessed` says 1 or 0."""
    settings = EvaluationSpec.model_validate_json(spec)
    scores, thresholds = (
        read_baselines(Path(baseline_models[0].uri)) if baseline_models else ({}, {})
    )
    measured = evidence(
        read_predictions(Path(predictions.uri)),
        scores,
        settings,
        seed,
        json.loads(cluster_columns),
        baseline_thresholds=thresholds,
    )
    more: dict[str, Any] = {}
    if stress:
        stressed = read_result(Path(stress[0].uri), StressResult)
        more |= {"robustness": stressed.robustness, "importance": stressed.importance}
    if folds:
        more["cross_validation"] = read_result(Path(folds[0].uri), FoldMetrics)
    measured = measured.model_copy(update=more)
    record = read_evaluation(evaluation.uri)
    gates = judge(measured, record.metrics, settings) + tfma_parity(measured, record)
    blessed = is_blessed(gates)
    write_result(Path(verdict.uri), measured)
    write_result(Path(verdict.uri), GateReport(blessed=blessed, gates=gates))
    _bless(blessing, blessed, model, baseline_model)


def _bless(blessing: Artifact, blessed: bool, model: Artifact, baselines: Any) -> None:
    """Marks the blessing as TFX's own Evaluator would: resolvers and Pusher read it so."""
    keys = evaluator_constants
    blessing.set_int_custom_property(keys.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    blessing.set_string_custom_property(keys.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(keys.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    for baseline in baselines or []:
        blessing.set_string_custom_property(
            keys.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(keys.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
    name = keys.BLESSED_FILE_NAME if blessed else keys.NOT_BLESSED_FILE_NAME
    Path(blessing.uri).mkdir(parents=True, exist_ok=True)
    (Path(blessing.uri) / name).touch()
