"""Whether the parts of a config fit one another; each part by itself is valid already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from components.example_gen.config import path_column
from components.stress.config import stressed_features
from contracts.errors import ConfigError
from contracts.text import did_you_mean, some
from contracts.validation import KeyProblem
from evidence.metric_names import can_bound_change, metric_names
from models.compression.spec import VariantsSpec, is_reference
from models.features.spec import FeaturesSpec
from models.tasks import find_task
from models.training.config import teacher_conflict
from pipelines.config.series import series_errors

if TYPE_CHECKING:
    from pipelines.config.problem import KelpConfig


_VARIANT_NAME = re.compile(r"[a-z][a-z0-9_]*")


def consistency_errors(config: KelpConfig) -> list[KeyProblem]:
    """Everything that does not fit, the most basic first."""
    checks: tuple[Callable[[KelpConfig], Iterator[KeyProblem]], ...] = (
        _problem,
        series_errors,
        _split,
        _kept_paths,
        _class_weights,
        _teacher,
        _metrics,
        _slices,
        _main_metric,
        _without_classes,
        _forecasts,
        _stresses,
        _resampling,
        _variants,
    )
    return [problem for check in checks for problem in check(config)]


def _problem(config: KelpConfig) -> Iterator[KeyProblem]:
    label = config.label.name
    if label in config.features:
        yield KeyProblem(
            ("features", label),
            f"the label {label!r} is also listed as a feature",
            expected="features that are known before the label is",
            fix=f"remove {label} from features",
        )
        return
    try:
        FeaturesSpec(task=config.task, label=config.label, features=config.features)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            what = detail["msg"].removeprefix("Value error, ")
            if "class" in what:
                yield KeyProblem(("label",), what, received=f"task: {config.task}")
            else:
                yield KeyProblem(("features",), what, fix="rename one of them, or leave it out")


def _split(config: KelpConfig) -> Iterator[KeyProblem]:
    if config.data.split.by == "stratified" and not find_task(config.task).has_classes:
        yield KeyProblem(
            ("data", "split", "by"),
            "a regression label has no classes to stratify by",
            expected="row, key or time",
            received="'stratified'",
        )
    for split, share in config.data.split.shares:
        if not share:
            yield KeyProblem(
                ("data", "split", "shares", split),
                f"the split {split} would have no rows, and a run needs all three",
                expected="a share above 0",
                received=f"{share:g}",
                fix="train learns, val stops and chooses the threshold, test judges",
            )


def _kept_paths(config: KelpConfig) -> Iterator[KeyProblem]:
    others = (*config.needed_columns(), *config.data.keep)
    for name in config.kept_paths():
        if path_column(name) in others:
            yield KeyProblem(
                ("data", "keep"),
                f"keeps the paths of {name!r} as {path_column(name)!r}, a column that is there",
                fix=f"rename that column, or leave {name} out of data.keep",
            )


def _class_weights(config: KelpConfig) -> Iterator[KeyProblem]:
    weights = config.training.class_weights
    path = ("training", "class_weights")
    if weights != "none" and not find_task(config.task).has_classes:
        yield KeyProblem(path, "a regression task has no classes to weigh", expected="'none'")
    elif isinstance(weights, dict):
        classes = [str(name) for name in config.declared_problem().label_classes()]
        for name in weights:
            if name not in classes:
                yield KeyProblem(
                    (*path, name),
                    f"class_weights names {name!r}, which is no class of the label",
                    expected=f"one of: {some(classes)}",
                    received=repr(name),
                    fix=did_you_mean(name, classes),
                )


def _teacher(config: KelpConfig) -> Iterator[KeyProblem]:
    conflict = teacher_conflict(config.training, config.declared_problem())
    if conflict is not None:
        yield KeyProblem(("training", "teacher"), conflict[0], fix=conflict[1])


def _metrics(config: KelpConfig) -> Iterator[KeyProblem]:
    evaluation = config.evaluation
    known = metric_names(config.task)
    places = [("bounds", name) for name in evaluation.bounds]
    places += [("change", name) for name in evaluation.change]
    for key, name in places:
        if name not in known:
            yield KeyProblem(
                ("evaluation", key, name),
                f"unknown metric {name!r} for a {config.task} task",
                expected=f"one of: {', '.join(known)}",
                received=repr(name),
                fix=did_you_mean(name, known),
            )
        elif key == "change" and not can_bound_change(config.task, name):
            yield KeyProblem(
                ("evaluation", key, name),
                f"{name} is best at 1, so a change of it is neither gain nor loss",
                expected="a bound under evaluation.bounds, such as {min: 0.9, max: 1.1}",
                received=f"{name} under evaluation.change",
            )
    for name, bound in evaluation.bounds.items():
        if bound.min is not None and bound.max is not None and bound.min > bound.max:
            yield KeyProblem(
                ("evaluation", "bounds", name),
                f"no {name} can be at least {bound.min:g} and at most {bound.max:g}",
                expected="min no greater than max",
            )


def _slices(config: KelpConfig) -> Iterator[KeyProblem]:
    groups = Counter(tuple(sorted(group)) for group in config.evaluation.slices)
    for index, group in enumerate(config.evaluation.slices):
        path = ("evaluation", "slices", index)
        if not group:
            yield KeyProblem(path, "a slice without a column", expected="[column, ...]")
        elif len(set(group)) < len(group):
            yield KeyProblem(path, "a slice that names a column twice", received=some(group))
        elif groups[tuple(sorted(group))] > 1:
            yield KeyProblem(path, f"the slice by {some(group)} is listed twice")


def _main_metric(config: KelpConfig) -> Iterator[KeyProblem]:
    metric, known = config.evaluation.metric, metric_names(config.task)
    if metric is None:
        return
    if metric not in known or not can_bound_change(config.task, metric):
        usable = [name for name in known if can_bound_change(config.task, name)]
        yield KeyProblem(
            ("evaluation", "metric"),
            f"{metric!r} cannot be the main metric of a {config.task} task",
            expected=f"one of: {', '.join(usable)}",
            received=repr(metric),
            fix=did_you_mean(metric, usable),
        )


def _without_classes(config: KelpConfig) -> Iterator[KeyProblem]:
    """What a regression has no use for."""
    evaluation = config.evaluation
    if find_task(config.task).form == "multiclass" and evaluation.fairness.sensitive:
        yield KeyProblem(
            ("evaluation", "fairness", "sensitive"),
            "rates of being called positive need a binary task",
            expected="this key for a binary task only",
            received="task: multiclass",
            fix="remove the key",
        )
    if find_task(config.task).has_classes:
        return
    form = find_task(config.task).form
    asked: tuple[tuple[tuple[str, ...], bool], ...] = (
        (("evaluation", "fairness", "sensitive"), bool(evaluation.fairness.sensitive)),
        (("evaluation", "calibration", "max_error"), evaluation.calibration.max_error is not None),
        (("training", "calibration"), config.training.calibration == "temperature"),
    )
    for path, is_asked in asked:
        if is_asked:
            yield KeyProblem(
                path,
                f"{'.'.join(path[:-1])} speaks of classes, and a {form} has none",
                expected="this key for a binary or multiclass task only",
                received=f"task: {config.task}",
                fix="remove the key",
            )


def _forecasts(config: KelpConfig) -> Iterator[KeyProblem]:
    """What a forecast alone takes, and what it does not."""
    is_forecast = find_task(config.task).form == "forecast"
    if config.training.calibration == "conformal" and not is_forecast:
        yield KeyProblem(
            ("training", "calibration"),
            f"conformal widens the intervals of forecasts, and a {config.task} task has none",
            expected="none, or temperature for classes",
            received="'conformal'",
        )
    members = getattr(config.network, "members", 1)
    if is_forecast and members > 1:
        yield KeyProblem(
            ("network", "members"),
            "a forecast is made by one network",
            expected="1",
            received=str(members),
            fix="remove the key",
        )


def _variants(config: KelpConfig) -> Iterator[KeyProblem]:
    try:
        variants = VariantsSpec(variants=config.variants).resolved()
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            yield KeyProblem(("variants",), detail["msg"].removeprefix("Value error, "))
        return
    for variant in variants:
        if not _VARIANT_NAME.fullmatch(variant.name):
            yield KeyProblem(
                ("variants", variant.name),
                f"{variant.name!r} cannot be the name of a variant",
                expected="small letters, digits and _, a letter first",
                received=repr(variant.name),
                fix="rename it: folders are named so",
            )
    if variants and sum(map(is_reference, variants)) != 1:
        yield KeyProblem(
            ("variants",),
            "variants are compared with float32, the candidate itself, which is not among them"
            if not any(map(is_reference, variants))
            else "the candidate itself stands twice among the variants",
            expected="one variant of format savedmodel_float32 with weights of its own",
            fix="variants.float32: {format: savedmodel_float32}",
        )


def _resampling(config: KelpConfig) -> Iterator[KeyProblem]:
    evaluation = config.evaluation
    if (evaluation.resample == "blocks") != (evaluation.block is not None):
        yield KeyProblem(
            ("evaluation", "resample"),
            "blocks of time need a column and a length, and nothing else does",
            expected="resample: blocks with block: {column: ..., length: ...}, or neither",
            received=f"resample: {evaluation.resample}",
        )
    if config.evaluation.resample == "keys" and config.data.split.by != "key":
        yield KeyProblem(
            ("evaluation", "resample"),
            "the split has no keys to draw rows by",
            expected="rows, or data.split.by: key",
            received=f"data.split.by: {config.data.split.by}",
        )


def _stresses(config: KelpConfig) -> Iterator[KeyProblem]:
    for name, stress in config.evaluation.stress.items():
        try:
            stressed_features(name, stress, config.declared_problem())
        except ConfigError as error:
            yield KeyProblem(
                ("evaluation", "stress", name),
                error.what,
                expected=error.expected,
                received=error.received,
                fix=error.fix,
            )
