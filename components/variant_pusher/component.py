"""The VariantPusher component: each variant on its own merit, once the candidate is blessed."""

import json
from pathlib import Path
from typing import List  # noqa: UP035 (TFX looks for this one)

from tfx.components.evaluator import constants as evaluator_constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from components.artifacts import PushedVariants, Variant, VariantVerdict
from components.example_gen.series.learned import learned_format
from components.pusher.config import PushSpec
from components.variant_pusher.deliver import Made, deliver
from contracts.files import read_json, write_json
from contracts.results import variant
from contracts.results.files import read_result

PUSHED_FILE = "pushed.json"


@component
def VariantPusher(  # noqa: N802 (a TFX component is named as a class)
    variants: InputArtifact[List[Variant]],  # noqa: UP006
    verdicts: InputArtifact[List[VariantVerdict]],  # noqa: UP006
    blessing: InputArtifact[standard_artifacts.ModelBlessing],
    pushed_model: InputArtifact[standard_artifacts.PushedModel],
    examples: InputArtifact[standard_artifacts.Examples],
    pushed_variants: OutputArtifact[PushedVariants],
    name: Parameter[str],
    spec: Parameter[str],
    raw_format: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Pushes every blessed variant and writes `pushed.json`; none of a refused candidate.

    Raises:
      EnvironmentProblem: a folder cannot be written.
    """
    judged = [read_result(Path(verdict.uri), variant.VariantVerdict) for verdict in verdicts]
    folders = {read_json(Path(one.uri) / "variant.json")["name"]: Path(one.uri) for one in variants}
    made = [Made(folders[verdict.name], verdict) for verdict in judged]
    blessed = blessing.get_int_custom_property(evaluator_constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    candidate = pushed_model.get_string_custom_property("pushed_destination")
    pushed: dict[str, str] = {}
    if blessed == evaluator_constants.BLESSED_VALUE:
        settings = PushSpec.model_validate_json(spec)
        raw_format = learned_format(raw_format, examples)
        pushed = deliver(name, made, settings, {"candidate": candidate}, raw_format)
        pushed |= {one.name: candidate for one in made if one.is_candidate}
    write_json(Path(pushed_variants.uri) / PUSHED_FILE, {"pushed": pushed})
    destinations = sorted(set(pushed.values()) - {candidate})
    pushed_variants.set_string_custom_property("destinations", json.dumps(destinations))
