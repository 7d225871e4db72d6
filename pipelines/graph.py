"""The pipeline's graph: the only place where components meet.

    ExampleGen -> StatisticsGen -> SchemaGen (or the frozen schema) -> ExampleValidator
      -> DataGate -> Transform -> Trainer -> Evaluator -> Pusher -> Tracker

Every runner runs this same graph; it has no branch on the runner.
"""

from __future__ import annotations

from pathlib import Path

from tfx.components.evaluator.component import Evaluator
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.trainer.component import Trainer
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from components.curated_schema.component import CuratedSchema, parse_schema
from components.data_gate.component import DataGate
from components.evaluator.baseline import LastBlessedBefore
from components.evaluator.eval_config import build_eval_config
from components.example_gen.component import ColumnarExampleGen
from components.pusher.component import Pusher
from components.source_digest import source_digest
from components.tracker.component import Tracker
from pipelines.beam import beam_args
from pipelines.config import KelpConfig, LoadedConfig


def create_pipeline(loaded: LoadedConfig, root: Path) -> Pipeline:
    """Builds the graph of one config.

    Args:
      loaded: The validated config.
      root: Where artifacts and their metadata live.
    """
    config = loaded.config
    example_gen = ColumnarExampleGen(
        ingest=config.ingest(str(loaded.path)),
        source_digest=source_digest("components.example_gen.component"),
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(examples=examples)
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
        source_digest=source_digest("components.data_gate.component"),
    )
    # Whatever learns takes the gate's schema: without its verdict there is none.
    schema = gate.outputs["schema"]
    transform = _transform(config, examples, schema)
    trainer = _trainer(config, examples, schema, transform)
    baseline, evaluator = _evaluation(config, examples, schema, trainer)
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        blessing=evaluator.outputs["blessing"],
        name=config.name,
        spec=config.push.model_dump_json(),
        source_digest=source_digest("components.pusher.component"),
    )
    nodes = [example_gen, statistics_gen, schema_node, validator, gate, transform, trainer]
    nodes += [baseline, evaluator, pusher]
    if config.tracking.enabled:
        nodes.append(_tracker(config, schema, trainer, evaluator, pusher))
    return _pipeline(loaded, root, nodes)


def _transform(config: KelpConfig, examples: Channel, schema: Channel) -> BaseNode:
    return Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"]),
        # The Trainer applies the graph itself: docs/decisions/0004.
        materialize=False,
        disable_statistics=True,
        custom_config={
            "spec": config.problem().model_dump_json(),
            "source": source_digest("models.preprocessing"),
        },
    )


def _trainer(
    config: KelpConfig, examples: Channel, schema: Channel, transform: BaseNode
) -> BaseNode:
    return Trainer(
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        run_fn="models.training.run_fn",
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["val"]),
        custom_config={
            "spec": config.trainer().model_dump_json(),
            "source": source_digest("models.training"),
        },
    )


def _evaluation(
    config: KelpConfig, examples: Channel, schema: Channel, trainer: BaseNode
) -> tuple[BaseNode, BaseNode]:
    model = trainer.outputs["model"]
    baseline = Resolver(
        strategy_class=LastBlessedBefore,
        model=Channel(type=standard_artifacts.Model),
        blessing=Channel(type=standard_artifacts.ModelBlessing),
        candidate=model,
    ).with_id("Baseline")
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["model"],
        example_splits=["test"],
        eval_config=build_eval_config(config.evaluation, config.problem()),
        schema=schema,
    )
    return baseline, evaluator


def _tracker(
    config: KelpConfig, schema: Channel, trainer: BaseNode, evaluator: BaseNode, pusher: BaseNode
) -> BaseNode:
    return Tracker(
        schema=schema,
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        pushed_model=pusher.outputs["pushed_model"],
        config=config.model_dump_json(by_alias=True),
        source_digest=source_digest("components.tracker.component"),
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
        pipeline_root=str(root / "artifacts"),
        components=nodes,
        enable_cache=True,
        metadata_connection_config=sqlite_metadata_connection_config(str(root / "metadata.sqlite")),
        beam_pipeline_args=beam_args(loaded.config.beam.runner),
    )
