"""Turns pydantic's messages into errors that name file, key, line and remedy."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from contracts.errors import ConfigError
from contracts.spec import OpenChoice
from contracts.text import did_you_mean, shorten, some
from contracts.yaml import KeyPath, dotted

_OTHERS = 4
_ABSENT = object()
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class KeyProblem:
    """One thing wrong with one key of a config."""

    path: KeyPath
    what: str
    expected: str = ""
    received: str = ""
    fix: str = ""


class ConfigProblems(ConfigError):
    """The first error in full, and the next ones in a line each."""

    def __init__(self, what: str, *, others: Sequence[str] = (), **fields: str) -> None:
        super().__init__(what, **fields)
        self.others = tuple(others)

    def lines(self) -> list[str]:
        """At most ten lines: five for the first error, five for the others."""
        shown = [f"  also:     {other}" for other in self.others[:_OTHERS]]
        more = len(self.others) - len(shown)
        return super().lines() + shown + ([f"  ... and {more} more"] if more else [])


def validated(model: type[_Model], value: object, place: Callable[[KeyPath], str]) -> _Model:
    """Validates values of a config.

    Args:
      model: What they make.
      value: The values.
      place: Says where a key stands.

    Raises:
      ConfigError: a key is unknown, missing or of a wrong value; place and remedy are named.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise to_error(key_problems(error, model, value), place) from error


def to_error(problems: Sequence[KeyProblem], place: Callable[[KeyPath], str]) -> ConfigError:
    """One error out of all problems; `place` says where a key stands."""
    first, *rest = problems
    return ConfigProblems(
        first.what,
        where=place(first.path),
        expected=first.expected,
        received=first.received,
        fix=first.fix,
        others=[f"{place(one.path)}: {one.what}" for one in rest],
    )


def key_problems(error: ValidationError, model: type[BaseModel], data: object) -> list[KeyProblem]:
    """What pydantic found, one problem a key, in the order of the keys."""
    by_path: dict[KeyPath, list[KeyProblem]] = {}
    for detail in error.errors(include_url=False):
        for finding in _found(detail, model, data):
            by_path.setdefault(finding.path, []).append(finding)
    inner = {path[:length] for path in by_path for length in range(len(path))}
    return [
        _merged(same)
        for path, same in by_path.items()
        if path not in inner or _about_itself(same, data)
    ]


def _about_itself(same: Iterable[KeyProblem], data: object) -> bool:
    """False for the branches of a union that the value was never meant for."""
    return not any(isinstance(_value(data, one.path), Mapping) for one in same)


def _merged(same: Sequence[KeyProblem]) -> KeyProblem:
    first = same[0]
    if len(same) == 1:
        return first
    expected = " or ".join(dict.fromkeys(one.expected for one in same if one.expected))
    return KeyProblem(first.path, first.what, expected, first.received, first.fix)


def _found(detail: Any, model: type[BaseModel], data: object) -> list[KeyProblem]:
    if detail["type"] == "kelp":
        return [KeyProblem(**found) for found in detail["ctx"]["findings"]]
    return [_finding(detail, model, data)]


def _finding(detail: Any, model: type[BaseModel], data: object) -> KeyProblem:
    kind: str = detail["type"]
    path = _key_path(detail["loc"], data, missing=kind == "missing")
    received = shorten(detail["input"])
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, model, data)
    if kind == "missing":
        return KeyProblem(path, f"the key {dotted(path)!r} is missing", fix=f"add {path[-1]}: ...")
    if kind == "value_error":
        return KeyProblem(path, str(context["error"]))
    if kind.startswith("union_tag"):
        return _wrong_tag(path, context, received)
    expected = _expected(detail["msg"])
    what = f"{dotted(path) or 'the config'} does not fit: expected {expected}"
    return KeyProblem(path, what, expected, received, _choice_fix(kind, detail, context))


def _choice_fix(kind: str, detail: Any, context: Mapping[str, Any]) -> str:
    if kind != "literal_error" or not isinstance(detail["input"], str):
        return ""
    choices = str(context.get("expected", "")).replace(" or ", ", ").split(", ")
    return did_you_mean(detail["input"], [choice.strip("'") for choice in choices])


def _wrong_tag(path: KeyPath, context: Mapping[str, Any], received: str) -> KeyProblem:
    key = str(context["discriminator"]).strip("'")
    known = str(context.get("expected_tags", "")).replace("'", "")
    if "tag" not in context:
        what = f"{dotted(path)} says no {key}"
        return KeyProblem(path, what, f"a key {key!r}", received, f"add {key}: ...")
    tag = str(context["tag"])
    fix = did_you_mean(tag, known.split(", "))
    return KeyProblem((*path, key), f"unknown {key} {tag!r}", f"one of: {known}", repr(tag), fix)


def _unknown_key(path: KeyPath, model: type[BaseModel], data: object) -> KeyProblem:
    known = known_keys(model, path[:-1], data)
    home = dotted(path[:-1]) or "the config"
    return KeyProblem(
        path,
        f"unknown key {path[-1]!r} in {home}",
        expected=f"one of: {some(known, 20)}",
        received=repr(path[-1]),
        fix=did_you_mean(str(path[-1]), known) or "remove the key",
    )


def _expected(message: str) -> str:
    if message == "Input should be a valid tuple":
        return "a list, such as [a, b]"
    if message.startswith("Input should be a valid dictionary"):
        return "keys and values, such as {type: numeric}"
    return message.removeprefix("Input should be ")


def _key_path(loc: Sequence[str | int], data: object, *, missing: bool) -> KeyPath:
    """The loc without the tags of unions, which are no keys of the file."""
    path: list[str | int] = []
    here = data
    for index, part in enumerate(loc):
        inner = _inner(here, part)
        if inner is not _ABSENT:
            here = inner
        elif not (missing and index == len(loc) - 1):
            continue
        path.append(part)
    return tuple(path)


def _inner(value: object, part: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _ABSENT


def _value(data: object, path: KeyPath) -> object:
    for part in path:
        data = _inner(data, part)
    return data


def known_keys(model: type[BaseModel], path: KeyPath, data: object) -> list[str]:
    """The keys that the config knows at `path`; empty where any key will do."""
    here: Any = model
    for index, part in enumerate(path):
        kinds = _models(here)
        tag = _value(data, (*path[:index], "type"))
        here = _child(_by_tag(kinds, tag) or kinds, part, here)
    tag = _value(data, (*path, "type"))
    kinds = _by_tag(_models(here), tag) or _models(here)
    names = [field.alias or name for kind in kinds for name, field in kind.model_fields.items()]
    return list(dict.fromkeys(names))


def _child(kinds: Sequence[type[BaseModel]], part: str | int, annotation: Any) -> Any:
    for kind in kinds:
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
    for branch in _branches(annotation):
        arguments = get_args(branch)
        if get_origin(branch) in (dict, tuple, list) and arguments:
            return arguments[-1] if get_origin(branch) is dict else arguments[0]
    return None


def _branches(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _branches(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for one in get_args(annotation) for leaf in _branches(one)]
    return [annotation]


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [
        model
        for branch in _branches(annotation)
        if isinstance(branch, type) and issubclass(branch, BaseModel)
        for model in (branch.choices() if issubclass(branch, OpenChoice) else (branch,))
    ]


def _by_tag(kinds: Sequence[type[BaseModel]], tag: object) -> list[type[BaseModel]]:
    return [
        kind
        for kind in kinds
        if "type" in kind.model_fields and kind.model_fields["type"].default == tag
    ]
