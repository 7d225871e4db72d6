"""Training: from raw examples and a transform graph to a SavedModel and a report of the fit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.errors import ModelError
from contracts.results.files import write_result
from contracts.results.training import Diagnosis, TeacherReport, TrainingReport
from models.data.dataset import Source, Split, expand, load_split, ordered_batches
from models.data.labels import check_labels, class_weights, constant_guess_loss
from models.data.raw_table import read_table
from models.data.seasonal import forecast_facts
from models.data.targets import file_places
from models.data.transform_layer import TransformLayer
from models.data.transformed import output_spec
from models.export.golden_answers import golden_rows, write_answers
from models.export.network_file import NETWORK_FILE, save_network
from models.export.saved_model import Serving, export
from models.tasks import find_task
from models.training.calibration import divide_scores
from models.training.config import TrainerSpec
from models.training.diagnosis import diagnose
from models.training.distribution import Device, join_cluster
from models.training.fitting import Fit, precision
from models.training.interval_widths import stretch_intervals
from models.training.learning import (
    ValidationOutcome,
    choose_operating_point,
    fit_network,
    refit_network,
)
from models.training.signals import class_shares, collect_signals
from models.training.teacher import Teacher, fit_teacher

_LOG = logging.getLogger(__name__)


def run_fn(fn_args: Any) -> None:
    """Called by TFX's Trainer."""
    spec = TrainerSpec.model_validate_json(fn_args.custom_config["spec"])
    job = Job(
        spec=spec,
        train_files=expand(fn_args.train_files, "train"),
        val_files=expand(fn_args.eval_files, "val"),
        schema=text_format.Parse(
            tf.io.gfile.GFile(fn_args.schema_path).read(), schema_pb2.Schema()
        ),
        graph=tft.TFTransformOutput(fn_args.transform_graph_path),
        model_dir=Path(fn_args.serving_model_dir),
        run_dir=Path(fn_args.model_run_dir),
    )
    train(job)


@dataclass(frozen=True)
class Job:
    """All that one training needs."""

    spec: TrainerSpec
    train_files: list[str]
    val_files: list[str]
    schema: schema_pb2.Schema
    graph: tft.TFTransformOutput
    model_dir: Path
    run_dir: Path


def train(job: Job) -> None:
    """Fits, calibrates, chooses the operating point, and writes all that a run keeps.

    The SavedModel goes to `model_dir`; the report, the golden rows and the Keras network
    that the SavedModel was made of to `run_dir`.

    Raises:
      ModelError: labels that cannot be learned from, or a loss that is not a number.
    """
    spec = job.spec
    device = join_cluster()
    keras.utils.set_random_seed(spec.seed)
    _LOG.info("training on %s", device.name)
    source = Source(job.schema, TransformLayer(job.graph), spec.problem.label.name)
    splits = _load(job, source)
    weights = class_weights(spec.problem, splits["train"].labels, spec.training.class_weights)
    facts: dict[str, Any] = {"class_weights": _by_class(spec, weights)}
    teacher = None
    if spec.training.teacher is not None:
        teacher, splits["train"], facts["teacher"] = _teach(job, splits["train"], weights)
    network, outcome = fit_network(
        spec, job.graph, splits, weights, device, job.run_dir / "tensorboard"
    )
    facts["parameters"] = network.count_params()
    if outcome.not_a_number:
        diagnosis = diagnose(outcome.history, 0.0, outcome.stopped_early)
        facts |= {"diagnosis": diagnosis}
        write_result(job.run_dir, _report(job, splits, outcome, device, facts))
        raise _not_a_number(diagnosis[0])
    validation = choose_operating_point(spec, network, splits["val"])
    facts |= {"diagnosis": _diagnose(spec, network, splits, weights, outcome, validation)}
    if spec.training.refit:
        rows = _load_again(job, source, teacher)
        network, facts["refit"] = refit_network(
            spec, job.graph, splits["train"].labels, rows, weights, device, outcome
        )
        if validation.calibration is not None:
            divide_scores(network, validation.calibration.temperature)
        stretch_intervals(network, validation.intervals)
    threshold = None if validation.point is None else validation.point.threshold
    forecast = forecast_facts(spec.problem, job.graph, splits["train"])
    serving = Serving(spec.problem, job.schema, source.transform, network, threshold, forecast)
    write_answers(job.run_dir / "golden", golden_rows(job.val_files), serving)
    save_network(network, job.run_dir / NETWORK_FILE)
    sample, _ = next(iter(ordered_batches(splits["val"], packed=True)))
    export(serving, job.model_dir, splits["val"].features(sample))
    metrics = find_task(spec.problem.task).val_metrics(
        splits["val"].labels, validation.predictions, validation.point
    )
    facts |= {"operating_point": validation.point, "calibration": validation.calibration}
    facts |= {"intervals": validation.intervals}
    write_result(
        job.run_dir, _report(job, splits, outcome, device, facts | {"val_metrics": metrics})
    )


def _teach(
    job: Job, train: Split, weights: list[float] | None
) -> tuple[Teacher, Split, TeacherReport]:
    def keys(names: Sequence[str]) -> pa.Table:
        return read_table(job.train_files, job.schema, names)

    return fit_teacher(job.spec, job.graph, train, file_places(train), keys, weights)


def _load_again(job: Job, source: Source, teacher: Teacher | None) -> Split:
    """Train and val, to be fitted on together."""
    spec, files = job.spec, [*job.train_files, *job.val_files]
    cache, numbered = spec.training.cache, teacher is not None
    rows = load_split("train and val", files, source, cache, spec.seed, numbered)
    _LOG.info("fitting again on train and val: %d rows", rows.rows)
    return rows if teacher is None else teacher.teach(rows, file_places(rows))


def _diagnose(
    spec: TrainerSpec,
    network: Any,
    splits: dict[str, Split],
    weights: list[float] | None,
    outcome: Fit,
    validation: ValidationOutcome,
) -> list[Diagnosis]:
    train, val, training = splits["train"], splits["val"], spec.training
    shares: dict[str, Any] = {}
    names = [str(value) for value in spec.problem.label_classes()]
    if names:
        point, predicted = validation.point, validation.predictions
        classes = predicted.argmax(axis=1) if point is None else predicted >= point.threshold
        shares = class_shares(names, classes, val.labels)
    signals = collect_signals(network, output_spec(spec.problem, train.labels), train, val, shares)
    plain = not (training.loss.is_own or training.mixup or training.hard_examples)
    plain = plain and training.teacher is None
    return diagnose(
        outcome.history,
        constant_guess_loss(spec.problem, train.labels, weights),
        outcome.stopped_early,
        signals,
        comparable=plain and weights is None and training.curriculum is None,
    )


def _load(job: Job, source: Source) -> dict[str, Split]:
    problem, cache = job.spec.problem, job.spec.training.cache
    numbered = job.spec.training.teacher is not None
    splits = {
        "train": load_split("train", job.train_files, source, cache, job.spec.seed, numbered),
        "val": load_split("val", job.val_files, source, cache),
    }
    for name, split in splits.items():
        check_labels(problem, split.labels, name)
        _LOG.info("%s: %d rows, %s", name, split.rows, "cached" if split.cached else "streamed")
    return splits


def _report(
    job: Job, splits: dict[str, Split], outcome: Fit, device: Device, facts: dict[str, Any]
) -> TrainingReport:
    return TrainingReport(
        device=device.name,
        strategy=type(device.strategy).__name__,
        precision=precision(job.spec.training.mixed_precision),
        rows={name: split.rows for name, split in splits.items()},
        epochs=len(outcome.history),
        best_epoch=outcome.best_epoch,
        kept_weights=outcome.kept,
        stopped_early=outcome.stopped_early,
        seconds=outcome.seconds,
        history=outcome.history,
        seed=job.spec.seed,
        **facts,
    )


def _by_class(spec: TrainerSpec, weights: list[float] | None) -> dict[str, float] | None:
    if weights is None:
        return None
    return dict(zip(map(str, spec.problem.label_classes()), weights, strict=True))


def _not_a_number(diagnosis: Diagnosis) -> ModelError:
    return ModelError(
        "training was stopped: the loss is not a number",
        where="Trainer",
        expected="a finite loss on train and val",
        received=diagnosis.evidence,
        fix=diagnosis.remedy,
    )
