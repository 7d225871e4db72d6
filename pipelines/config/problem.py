"""One problem, one config: composed here of the parts that the layers below own.

A config is a YAML file. Relative paths in it are relative to the current working
directory, as they are on the command line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from components.baseline_models.config import BaselineFitSpec
from components.cross_validation.config import CrossValidationSpec
from components.data_gate.config import AuditedDataSpec
from components.example_gen.config import IngestSpec, path_column
from components.predictions.keys import KeysSpec
from components.pusher.config import PushSpec
from components.stress.config import StressJob
from components.tracker.config import TrackingSpec
from contracts import yaml
from contracts.errors import ConfigError
from contracts.spec import Spec
from contracts.storage.location import Place
from contracts.validation import validated
from contracts.yaml import KeyPath, dotted
from evidence.config import EvaluationSpec
from models.compression.formats.table import own_format_code
from models.compression.spec import NamedVariant, VariantSpec, VariantsSpec
from models.features.registry import FeatureSpec
from models.features.spec import FeaturesSpec, LabelSpec, Task
from models.networks.spec import MlpSpec, NetworkSpec, PythonSpec
from models.tasks import find_task, task_path
from models.training.config import TrainerSpec, TrainingSpec
from models.user_code import FunctionSource, code_folder, find_function, use_code_folder
from pipelines.beam.spec import BeamSpec, LocalBeam
from pipelines.config.consistency import consistency_errors
from pipelines.config.overrides import apply_overrides
from pipelines.config.series import completed
from pipelines.execution.metadata import MetadataSpec
from pipelines.kubeflow.config import KubeflowSpec
from report.config import CardSpec


class KelpConfig(Spec):
    """A learning problem, and everything Kelp does with it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)
    task: Task
    seed: int = Field(0, ge=0, lt=2**31)
    label: LabelSpec
    features: dict[str, FeatureSpec] = Field(min_length=1)
    data: AuditedDataSpec
    network: NetworkSpec = MlpSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    variants: dict[str, NamedVariant] = {}
    push: PushSpec = PushSpec()
    tracking: TrackingSpec = TrackingSpec()
    card: CardSpec = CardSpec()
    runs: Place = "runs"
    beam: BeamSpec = LocalBeam()
    metadata: MetadataSpec = MetadataSpec()
    kubeflow: KubeflowSpec = KubeflowSpec()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        return completed(value)

    @model_validator(mode="after")
    def _parts_fit(self) -> KelpConfig:
        found = consistency_errors(self)
        if found:
            context = {"findings": [asdict(one) for one in found]}
            raise PydanticCustomError("kelp", "{what}", {"what": found[0].what, **context})
        return self

    def problem(self) -> FeaturesSpec:
        """What Transform needs to know."""
        return self.declared_problem().model_copy(update={"code": self._features_code()})

    def declared_problem(self) -> FeaturesSpec:
        """The same without the digest of users' code, which may not be there."""
        return FeaturesSpec(task=self.task, label=self.label, features=self.features)

    def _features_code(self) -> str:
        """The digest of the users' code that features name; empty where there is none."""
        paths = sorted(path for key, path in self.user_functions().items() if key[0] == "features")
        digests = [find_function(path, code_folder()).digest() for path in paths]
        return hashlib.sha256("".join(digests).encode()).hexdigest()[:32] if digests else ""

    def user_functions(self) -> dict[KeyPath, str]:
        """The import paths of the users' functions, by key."""
        functions: dict[KeyPath, str] = {
            ("features", name, key): path
            for name, spec in self.features.items()
            for key, path in spec.user_code().items()
        }
        for name, variant in self.variants.items():
            code = own_format_code(variant.format)
            functions |= {("variants", name, *key): path for key, path in code.items()}
        if isinstance(self.network, PythonSpec):
            functions["network", "function"] = self.network.function
        task = task_path(self.task)
        if task is not None:
            functions["task",] = task
        return functions

    def ingest(self, where: str) -> IngestSpec:
        """What ExampleGen needs to know; `where` names the config in its errors."""
        data = self.data
        problem = self.declared_problem()
        columns, sizes = problem.raw_columns(), problem.raw_sizes()
        numbers = [name for name, spec in columns.items() if spec.raw_values == "numbers"]
        if not find_task(self.task).has_classes:
            numbers.append(self.label.name)
        return IngestSpec(
            path=data.path,
            format=data.format,
            spans=data.spans,
            **dict(data.raw_format()),
            split=data.split,
            columns=self.columns(),
            kept=tuple(name for name in self.columns() if name not in self.needed_columns()),
            paths=self.kept_paths(),
            numbers=tuple(numbers),
            lists={name: size for name, size in sizes.items() if size > 1},
            files=self.declared_problem().file_columns(),
            label=self.label.name,
            task=self.task,
            where=where,
        )

    def columns(self) -> tuple[str, ...]:
        """Every raw column that is written, once, in a fixed order."""
        paths = map(path_column, self.kept_paths())
        return tuple(dict.fromkeys((*self.needed_columns(), *self.data.keep, *paths)))

    def kept_paths(self) -> tuple[str, ...]:
        """The columns of files whose paths are kept: the files are read as features anyway."""
        files = self.declared_problem().file_columns()
        return tuple(name for name in files if name in self.data.keep)

    def needed_columns(self) -> tuple[str, ...]:
        """Every raw column that a run needs, in a fixed order."""
        figures = self.declared_problem().slice_figures()
        sliced = (
            column for group in self.evaluation.slices for column in group if column not in figures
        )
        names = (
            *self.declared_problem().raw_columns(),
            self.label.name,
            *self.data.split.columns,
            *sliced,
            *self.evaluation.fairness.sensitive,
            *self.cluster_columns(),
        )
        return tuple(dict.fromkeys(names))

    def trainer(self) -> TrainerSpec:
        """What the Trainer needs to know."""
        return TrainerSpec(
            name=self.name,
            seed=self.seed,
            problem=self.problem(),
            network=self.network,
            training=self.training,
            costs=self.evaluation.costs,
            fold_rule=self.data.split.fold_rule(),
        )

    def baseline_models(self) -> BaselineFitSpec:
        """What BaselineModels needs to know."""
        evaluation = self.evaluation
        return BaselineFitSpec(
            problem=self.problem(),
            seed=self.seed,
            costs=evaluation.costs,
            metric=evaluation.metric,
            confidence=evaluation.confidence,
            learning_curve=evaluation.baselines.learning_curve,
            refit=self.training.refit,
            max_rows=evaluation.baselines.sample_rows,
            sample_rows=evaluation.sample_rows,
        )

    def stress(self) -> StressJob:
        """What Stress needs to know."""
        evaluation = self.evaluation
        return StressJob(
            problem=self.problem(),
            stress=evaluation.stress,
            importance=evaluation.importance,
            metric=evaluation.metric,
            resamples=evaluation.resamples,
            confidence=evaluation.confidence,
            seed=self.seed,
            cluster_columns=self.cluster_columns(),
            block_length=evaluation.block_length,
            sample_rows=evaluation.sample_rows,
        )

    def slice_keys(self) -> KeysSpec:
        """The raw columns that evidence needs beside the predictions."""
        evaluation = self.evaluation
        sliced = (column for group in evaluation.slices for column in group)
        named = {*sliced, *evaluation.fairness.sensitive, *self.cluster_columns()}
        if find_task(self.task).form == "forecast":
            named.update(self.data.split.columns)  # a window is known by its time
        return KeysSpec(
            named=tuple(sorted(named)),
            search=evaluation.found_slices.enabled,
            min_rows=evaluation.min_slice_rows,
            left_out=tuple(
                name
                for name, kind in self.declared_problem().raw_columns().items()
                if not kind.slice_key
            ),
        )

    def compressed(self) -> list[VariantSpec]:
        """Every variant, with the weights that it takes, in the config's order."""
        return VariantsSpec(variants=self.variants).resolved()

    def cluster_columns(self) -> tuple[str, ...]:
        """The columns by whose values the bootstrap draws rows together, such as the day."""
        evaluation = self.evaluation
        if evaluation.block_length is not None and evaluation.block is not None:
            return (evaluation.block.column,)
        return self.data.split.columns if self.evaluation.resample == "keys" else ()

    def cross_validation(self, folds: int) -> CrossValidationSpec:
        """What CrossValidation needs to know."""
        return CrossValidationSpec(
            trainer=self.trainer(),
            split=self.data.split,
            folds=folds,
            sample_rows=self.evaluation.sample_rows,
        )


@dataclass(frozen=True)
class LoadedConfig:
    """A validated config, with the file that it came from.

    Attributes:
      config: The config, overrides applied.
      path: The file.
      digest: SHA-256 of the config as canonical JSON: comments, order of keys and
        defaults written out make no difference, overrides do.
      text: The file's text.
      overrides: The overrides, as given.
      code: The folder of the users' functions, where it is not that of the file.
    """

    config: KelpConfig
    path: Path
    digest: str
    text: str
    overrides: tuple[str, ...] = ()
    code: Path | None = None

    @property
    def code_folder(self) -> Path:
        """Where users' functions are looked for, before the installed packages."""
        return self.path.parent if self.code is None else self.code

    def user_functions(self, *keys: str) -> list[FunctionSource]:
        """The users' functions below some keys of the config, such as `variants.int8`; else all.

        Raises:
          ConfigError: one of them is not there.
        """
        functions = self.config.user_functions()
        return [
            find_function(path, self.code_folder)
            for key, path in functions.items()
            if not keys or any(f"{dotted(key)}.".startswith(f"{one}.") for one in keys)
        ]

    @property
    def schema_path(self) -> Path:
        """Where the frozen schema is, or would be written."""
        named = self.config.data.schema_path
        if named is not None:
            return Path(named)
        return self.path.parent / f"{self.config.name}.schema.pbtxt"

    @property
    def frozen_schema(self) -> Path | None:
        """The frozen schema, or None where the schema is still inferred."""
        return self.schema_path if self.schema_path.is_file() else None


def load_config(path: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Reads, overrides and validates a config.

    Args:
      path: The YAML file.
      overrides: Changes as `key.sub=value`, the value being YAML.

    Raises:
      ConfigError: Anything about it is wrong; file, key and line are named.
    """
    document = yaml.read(path, "write one with `kelp init`")
    changed = apply_overrides(document.mapping("name, task, label, features, data"), overrides)

    def place(key: KeyPath) -> str:
        for override in changed.overrides:
            if key[: len(override.path)] == override.path:
                return f"command line, override {override.text}"
        return document.place(key)

    # A task and a kind of feature of the user's own are validated by their classes.
    use_code_folder(path.parent)
    config = validated(KelpConfig, changed.value, place)
    _require_functions(config, path.parent, place)
    return LoadedConfig(config, path, config_digest(config), document.text, tuple(overrides))


def _require_functions(config: KelpConfig, folder: Path, place: Callable[[KeyPath], str]) -> None:
    for key, path in config.user_functions().items():
        try:
            find_function(path, folder)
        except ConfigError as error:
            error.where = f"{place(key)}; {error.where}"
            raise


def require_schema(loaded: LoadedConfig) -> None:
    """Refuses a config that names a schema which is not there.

    Raises:
      ConfigError: `data.schema` is given, and no such file exists.
    """
    named = loaded.config.data.schema_path
    if named is not None and loaded.frozen_schema is None:
        raise ConfigError(
            "the schema that the config names does not exist",
            where=f"{loaded.path}, key data.schema",
            expected="a schema written by `kelp schema freeze`",
            received=named,
            fix=f"run `kelp schema freeze {loaded.path}`, or remove the key",
        )


def config_digest(config: KelpConfig) -> str:
    """SHA-256 of the config as canonical JSON."""
    return content_digest(config.model_dump(mode="json", by_alias=True))


def content_digest(content: Any) -> str:
    """The same of a config that was written down as JSON.

    Where a run takes place is no part of it: the same digest has the same result.
    """
    content = {key: value for key, value in content.items() if key != "kubeflow"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
