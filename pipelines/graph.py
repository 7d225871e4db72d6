"""The pipeline's graph: the only place where components meet.

    ExampleGen -> StatisticsGen -> SchemaGen (or the frozen schema) -> ExampleValidator
      -> DataGate -> Transform -> Trainer -> (CrossValidation) -> BaselineModels
      -> Predictions -> Stress -> Evaluator -> ModelGate -> Pusher -> Tracker

Every runner runs this same graph; it has no branch on the runner.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import ConnectionConfig
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.evaluator.component import Evaluator
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.trainer.component import Trainer
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import Channel
from tfx.types.channel_utils import union

from components.baseline_models.component import BaselineModels
from components.cross_validation.component import CrossValidation
from components.curated_schema.component import CuratedSchema, parse_schema
from components.data_gate.component import DataGate
from components.evaluator.baseline import LastBlessedBefore
from components.evaluator.eval_config import build_eval_config
from components.example_gen.component import ColumnarExampleGen
from components.model_gate.component import ModelGate
from components.predictions.component import Predictions
from components.pusher.component import Pusher
from components.source_digest import source_digest
from components.stress.component import Stress
from components.tracker.component import Tracker
from contracts.storage.staging import remote_place
from models.data.file_columns import mark_files
from pipelines.beam.options import beam_args
from pipelines.beam.spec import LocalBeam
from pipelines.code_digest import code_digest
from pipelines.config.problem import LoadedConfig
from pipelines.variant_nodes import variant_nodes


def create_pipeline(loaded: LoadedConfig, root: Path) -> Pipeline:
    """Builds the graph of one config.

    Args:
      loaded: The validated config.
      root: Where artifacts live: a folder, or the local copy of a place in a bucket. Where
        their metadata live, the runner says: a compiled graph must not hold a password.
    """
    config = loaded.config
    data, schema = _data(loaded)
    examples = data["ExampleGen"].outputs["examples"]
    transform = _transform(loaded, examples, schema)
    inputs = {
        "examples": examples,
        "schema": schema,
        "transform_graph": transform.outputs["transform_graph"],
    }
    trainer = _trainer(loaded, inputs)
    evidence = _evidence(loaded, inputs, trainer.outputs["model"])
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        blessing=evidence["ModelGate"].outputs["blessing"],
        examples=examples,
        name=config.name,
        spec=config.push.model_dump_json(),
        raw_format=config.data.raw_format().model_dump_json(),
        source_digest=source_digest("components.pusher.component"),
    )
    sources = {**inputs, "model_run": trainer.outputs["model_run"]}
    variants = variant_nodes(loaded, sources, trainer, evidence, pusher)
    nodes = [*data.values(), transform, trainer, *evidence.values(), pusher, *variants.values()]
    if config.tracking.enabled:
        nodes.append(_tracker(loaded, data, trainer, evidence, pusher, variants))
    return _pipeline(loaded, root, nodes)


def _data(loaded: LoadedConfig) -> tuple[dict[str, BaseNode], Channel]:
    """The nodes up to the DataGate, and its schema: without its verdict nothing learns."""
    config = loaded.config
    example_gen = ColumnarExampleGen(
        ingest=config.ingest(str(loaded.path)),
        source_digest=source_digest("components.example_gen.component"),
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(
        examples=examples, **_file_options(config.declared_problem().file_columns())
    )
    statistics = statistics_gen.outputs["statistics"]
    schema_node = _schema_node(loaded, statistics)
    inferred = schema_node.outputs["schema"]
    validator = ExampleValidator(statistics=statistics, schema=inferred)
    gate = DataGate(
        examples=examples,
        statistics=statistics,
        anomalies=validator.outputs["anomalies"],
        inferred=inferred,
        problem=config.problem().model_dump_json(),
        audit=config.data.audit.model_dump_json(),
        split=config.data.split.model_dump_json(),
        source_digest=code_digest("components.data_gate.component", loaded),
    )
    nodes = {
        "ExampleGen": example_gen,
        "StatisticsGen": statistics_gen,
        "Schema": schema_node,
        "ExampleValidator": validator,
        "DataGate": gate,
    }
    return nodes, gate.outputs["schema"]


def _file_options(columns: tuple[str, ...]) -> dict[str, Any]:
    """Statistics without the values of columns of files: lists of the most frequent hold them."""
    if not columns:
        return {}
    # Only after tfx: see docs/decisions/0001-stack.md.
    from tensorflow_data_validation import StatsOptions

    return {"stats_options": StatsOptions(schema=mark_files(schema_pb2.Schema(), columns))}


def _transform(loaded: LoadedConfig, examples: Channel, schema: Channel) -> BaseNode:
    return Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.features.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"]),
        # The Trainer applies the graph itself: docs/decisions/0004.
        materialize=False,
        disable_statistics=True,
        custom_config={
            "spec": loaded.config.problem().model_dump_json(),
            "source": code_digest("models.features.preprocessing", loaded),
        },
    )


def _trainer(loaded: LoadedConfig, inputs: Mapping[str, Channel]) -> BaseNode:
    return Trainer(
        **inputs,
        run_fn="models.training.train.run_fn",
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["val"]),
        custom_config={
            "spec": loaded.config.trainer().model_dump_json(),
            "source": code_digest("models.training.train", loaded, "network"),
        },
    )


def _evidence(
    loaded: LoadedConfig, inputs: Mapping[str, Channel], model: Channel
) -> dict[str, BaseNode]:
    """The evidence for and against the candidate, and the gate that weighs it."""
    config = loaded.config
    rows = {"examples": inputs["examples"], "schema": inputs["schema"]}
    baseline = Resolver(
        strategy_class=LastBlessedBefore,
        model=Channel(type=standard_artifacts.Model),
        blessing=Channel(type=standard_artifacts.ModelBlessing),
        candidate=model,
    ).with_id("Baseline")
    predictions = Predictions(
        **rows,
        model=model,
        baseline_model=baseline.outputs["model"],
        problem=config.problem().model_dump_json(),
        keys=config.slice_keys().model_dump_json(),
        sample_rows=config.evaluation.sample_rows,
        seed=config.seed,
        source_digest=code_digest("components.predictions.component", loaded),
    )
    stress = Stress(
        **rows,
        model=model,
        spec=config.stress().model_dump_json(),
        source_digest=code_digest("components.stress.component", loaded),
    )
    evaluator = Evaluator(
        **rows,
        model=model,
        example_splits=["test"],
        eval_config=build_eval_config(
            config.evaluation, config.problem(), loaded.user_functions("task")
        ),
    )
    nodes = {"Baseline": baseline, "Predictions": predictions, "Stress": stress}
    nodes = {**_optional_evidence(loaded, inputs), **nodes}
    nodes["Evaluator"] = evaluator
    return {**nodes, "ModelGate": _model_gate(loaded, model, nodes)}


def _model_gate(loaded: LoadedConfig, model: Channel, nodes: Mapping[str, BaseNode]) -> BaseNode:
    """The gate over all evidence that the config asks for."""
    config = loaded.config
    optional = {
        name: nodes[component].outputs[output]
        for name, component, output in (
            ("baseline_models", "BaselineModels", "baselines"),
            ("folds", "CrossValidation", "folds"),
        )
        if component in nodes
    }
    return ModelGate(
        predictions=nodes["Predictions"].outputs["predictions"],
        evaluation=nodes["Evaluator"].outputs["evaluation"],
        stress=nodes["Stress"].outputs["report"],
        model=model,
        baseline_model=nodes["Baseline"].outputs["model"],
        spec=config.evaluation.model_dump_json(exclude=_NOT_OF_THE_GATE),
        seed=config.seed,
        cluster_columns=json.dumps(config.cluster_columns()),
        source_digest=code_digest("components.model_gate.component", loaded),
        **optional,
    )


# Keys of `evaluation` that other components obey: a change of one re-runs those alone.
_NOT_OF_THE_GATE = {"stress", "importance", "cross_validation"}


def _optional_evidence(loaded: LoadedConfig, inputs: Mapping[str, Channel]) -> dict[str, BaseNode]:
    config = loaded.config
    nodes: dict[str, BaseNode] = {}
    folds = config.evaluation.cross_validation
    if folds is not None:
        nodes["CrossValidation"] = CrossValidation(
            **inputs,
            spec=config.cross_validation(folds).model_dump_json(),
            source_digest=code_digest("components.cross_validation.component", loaded, "network"),
        )
    if config.evaluation.baselines.enabled:
        nodes["BaselineModels"] = BaselineModels(
            **inputs,
            spec=config.baseline_models().model_dump_json(),
            source_digest=code_digest("components.baseline_models.component", loaded),
        )
    return nodes


def _tracker(
    loaded: LoadedConfig,
    data: Mapping[str, BaseNode],
    trainer: BaseNode,
    evidence: Mapping[str, BaseNode],
    pusher: BaseNode,
    variants: Mapping[str, BaseNode],
) -> BaseNode:
    gate = data["DataGate"]
    of_variants: dict[str, Channel] = {}
    if variants:
        verdicts = [
            node.outputs["verdict"] for node in variants.values() if "verdict" in node.outputs
        ]
        pushed = variants["VariantPusher"].outputs["pushed_variants"]
        of_variants = {"variants": union(verdicts), "pushed_variants": pushed}
    return Tracker(
        examples=data["ExampleGen"].outputs["examples"],
        schema=gate.outputs["schema"],
        data_verdict=gate.outputs["verdict"],
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        evaluation=evidence["Evaluator"].outputs["evaluation"],
        verdict=evidence["ModelGate"].outputs["verdict"],
        pushed_model=pusher.outputs["pushed_model"],
        config=loaded.config.model_dump_json(by_alias=True),
        config_digest=loaded.digest,
        overrides=json.dumps(loaded.overrides),
        **of_variants,
        # MLflow has the source of the whole run, not of the Tracker's own.
        source_digest=source_digest("pipelines.graph", functions=loaded.user_functions()),
    )


def _schema_node(loaded: LoadedConfig, statistics: Channel) -> BaseNode:
    frozen = loaded.frozen_schema
    if frozen is None:
        # Shapes stay open: a missing value is an absent one, not another shape.
        return SchemaGen(statistics=statistics, infer_feature_shape=False)
    text = frozen.read_text(encoding="utf-8")
    parse_schema(text, str(frozen))
    return CuratedSchema(
        text=text, source_digest=source_digest("components.curated_schema.component")
    )


def _pipeline(loaded: LoadedConfig, root: Path, nodes: list[BaseNode]) -> Pipeline:
    return Pipeline(
        pipeline_name=loaded.config.name,
        pipeline_root=remote_place(root / "artifacts"),
        components=nodes,
        enable_cache=True,
        # The runner has its own, which may hold a password.
        metadata_connection_config=ConnectionConfig(),
        # They are part of TFX's cache key: see NodeStore for where Beam does run.
        beam_pipeline_args=beam_args(LocalBeam()),
    )
