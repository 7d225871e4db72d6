"""The nodes of the graph that make, evaluate and push the variants."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tfx.dsl.components.base.base_node import BaseNode
from tfx.types.channel import Channel
from tfx.types.channel_utils import union

from components.compressor.component import Compressor
from components.source_digest import source_digest
from components.variant_evaluator.component import VariantEvaluator
from components.variant_pusher.component import VariantPusher
from components.weights.component import Weights
from models.compression.spec import VariantSpec, is_reference, weights_name
from pipelines.code_digest import code_digest
from pipelines.config.problem import LoadedConfig

_VARIANT_TIMEOUT_S = 900  # A converter that hangs must not hold up the run for good.
# Keys of `evaluation` that variants are weighed by.
_OF_VARIANTS = {"slices", "min_slice_rows", "metric", "resamples", "confidence", "sample_rows"}
_VARIANT_RESAMPLES = 300  # A dozen variants are weighed: their intervals need no more.


def variant_nodes(
    loaded: LoadedConfig,
    sources: Mapping[str, Channel],
    trainer: BaseNode,
    evidence: Mapping[str, BaseNode],
    pusher: BaseNode,
) -> dict[str, BaseNode]:
    """Weights, Compressor and VariantEvaluator of each variant, and the one VariantPusher."""
    config = loaded.config
    variants = config.compressed()
    if not variants:
        return {}
    nodes: dict[str, BaseNode] = {}
    for variant in variants:
        weights, own = weights_name(variant, variants), f"variants.{variant.name}"
        if weights not in nodes:
            nodes[weights] = _weights(loaded, variant, sources).with_id(weights)
        nodes[f"Compressor.{variant.name}"] = Compressor(
            **sources,
            model=trainer.outputs["model"],
            weights=nodes[weights].outputs["weights"],
            spec=variant.model_dump_json(exclude={"gates"}),
            trainer=config.trainer().model_dump_json(),
            timeout_s=_VARIANT_TIMEOUT_S,
            source_digest=code_digest("components.compressor.component", loaded, "network", own),
        ).with_id(f"Compressor.{variant.name}")
    made = {
        variant.name: nodes[f"Compressor.{variant.name}"].outputs["variant"] for variant in variants
    }
    resamples = min(config.evaluation.resamples, _VARIANT_RESAMPLES)
    fewer = config.evaluation.model_copy(update={"resamples": resamples})
    evaluation = fewer.model_dump_json(include=_OF_VARIANTS)
    (reference,) = (made[variant.name] for variant in variants if is_reference(variant))
    for variant in variants:
        own = f"variants.{variant.name}"
        nodes[f"VariantEvaluator.{variant.name}"] = VariantEvaluator(
            variant=made[variant.name],
            reference=reference,
            predictions=evidence["Predictions"].outputs["predictions"],
            examples=sources["examples"],
            schema=sources["schema"],
            spec=variant.model_dump_json(),
            evaluation=evaluation,
            seed=config.seed,
            cluster_columns=json.dumps(config.cluster_columns()),
            timeout_s=_VARIANT_TIMEOUT_S,
            source_digest=code_digest("components.variant_evaluator.component", loaded, own),
        ).with_id(f"VariantEvaluator.{variant.name}")
    verdicts = [
        nodes[f"VariantEvaluator.{variant.name}"].outputs["verdict"] for variant in variants
    ]
    nodes["VariantPusher"] = VariantPusher(
        variants=union(list(made.values())),
        verdicts=union(verdicts),
        blessing=evidence["ModelGate"].outputs["blessing"],
        pushed_model=pusher.outputs["pushed_model"],
        examples=sources["examples"],
        name=config.name,
        spec=config.push.model_dump_json(),
        raw_format=config.data.raw_format().model_dump_json(),
        source_digest=source_digest("components.variant_pusher.component"),
    )
    return nodes


def _weights(
    loaded: LoadedConfig, variant: VariantSpec, sources: Mapping[str, Channel]
) -> BaseNode:
    return Weights(
        **sources,
        spec=variant.weights.model_dump_json(),
        trainer=loaded.config.trainer().model_dump_json(),
        timeout_s=_VARIANT_TIMEOUT_S,
        source_digest=code_digest("components.weights.component", loaded, "network"),
    )
