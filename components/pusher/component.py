"""The Pusher component: verifies a blessed model as it will be served, then pushes it.

Replaces TFX's own, which copies straight into the version's folder and never loads what
it pushes.
"""

import tempfile
from pathlib import Path

from tfx.components.evaluator import constants as evaluator_constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.example_gen.series.learned import learned_format
from components.pusher.config import PushSpec
from components.pusher.destination import push_version
from components.pusher.warmup import write_warmup
from components.tracker.lineage import folder_digest, text_digest
from contracts.prediction_log import WARMUP_FILE
from contracts.results.files import write_result
from contracts.results.variant import PushParity
from contracts.storage.location import join_place
from contracts.storage.staging import remote_place
from models.data.raw_format_file import RAW_FORMAT_FILE
from models.export.golden_rows import golden_columns
from models.export.saved_model_parity import verify

_TIMEOUT_S = 300


@component
def Pusher(  # noqa: N802 (a TFX component is named as a class)
    model: InputArtifact[standard_artifacts.Model],
    model_run: InputArtifact[standard_artifacts.ModelRun],
    blessing: InputArtifact[standard_artifacts.ModelBlessing],
    examples: InputArtifact[standard_artifacts.Examples],
    pushed_model: OutputArtifact[standard_artifacts.PushedModel],
    name: Parameter[str],
    spec: Parameter[str],
    raw_format: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Pushes the model if it is blessed; `pushed` says 1 or 0.

    Raises:
      ModelError: a blessed model does not load, or answers otherwise than Keras did.
      EnvironmentProblem: the serving root cannot be written.
    """
    blessed = blessing.get_int_custom_property(evaluator_constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    if blessed != evaluator_constants.BLESSED_VALUE:
        pushed_model.set_int_custom_property("pushed", 0)
        return
    settings = PushSpec.model_validate_json(spec)
    raw_format = learned_format(raw_format, examples)
    saved_model = Path(path_utils.serving_model_path(model.uri))
    golden = Path(model_run.uri) / "golden"
    parity = verify(saved_model, golden, settings.tolerance, _TIMEOUT_S)
    with tempfile.TemporaryDirectory() as folder:
        warmup = Path(folder) / "warmup"
        write_warmup(warmup, name, golden_columns(golden), settings.warmup_rows)
        extra = {WARMUP_FILE.name: warmup, RAW_FORMAT_FILE: Path(folder) / "raw"}
        extra[RAW_FORMAT_FILE].write_text(raw_format + "\n", encoding="utf-8")
        # As the registry tells models apart, so that its versions and these stay the same.
        facts = {
            "model": folder_digest(saved_model),
            "source": text_digest(remote_place(model.uri)),
        }
        facts["raw_format"] = text_digest(raw_format)
        version = push_version(saved_model, join_place(settings.root, name), extra, facts)
    write_result(Path(pushed_model.uri), PushParity(**dict(parity)))
    pushed_model.set_int_custom_property("pushed", 1)
    pushed_model.set_string_custom_property("pushed_destination", version)
    pushed_model.set_string_custom_property("pushed_version", version.rpartition("/")[2])
