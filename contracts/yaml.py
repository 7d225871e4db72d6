"""YAML as a config needs it: one meaning a text, and a line number for every key.

The core schema of YAML 1.2 decides types: only `true` and `false` are booleans, so a
class called `no` stays a word; `1e-3` is a number; a date and `007` are text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contracts.errors import ConfigError
from contracts.text import nearest, shorten

KeyPath = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_DEEPEST = 30
_FLOAT = (
    r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_PLAIN_TYPES: tuple[tuple[str, str, str], ...] = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
    ("merge", "<<", "<"),
)


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the plain types of YAML 1.2 instead of 1.1's."""

    yaml_implicit_resolvers = {}


for _name, _pattern, _first in _PLAIN_TYPES:
    _firsts = [*_first, ""] if _name == "null" else list(_first)
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _firsts)


@dataclass(frozen=True)
class Document:
    """A parsed YAML text: its value, and the line on which every key stands."""

    where: str
    text: str
    value: object
    lines: dict[KeyPath, int]

    def mapping(self, expected: str) -> dict[str, Any]:
        """The value, which must have keys; an empty text has none.

        Args:
          expected: Keys that it may have, for the error.

        Raises:
          ConfigError: it is a list or a single value.
        """
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise ConfigError(
                "a config must be a mapping of keys to values",
                where=self.where,
                expected=expected,
                received=type(self.value).__name__,
            )
        return self.value

    def place(self, path: KeyPath) -> str:
        """Where a key stands, for an error."""
        line = self.line(path)
        suffix = f" (line {line})" if line else ""
        return f"{self.where}, key {dotted(path)}{suffix}" if path else self.where

    def line(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest enclosing key that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def read(path: Path, otherwise: str) -> Document:
    """Reads a YAML file.

    Args:
      path: The file.
      otherwise: What to do where no file has a name like it.

    Raises:
      ConfigError: the file cannot be read, or is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the config is not text in UTF-8",
            where=f"{path}, byte {error.start}",
            fix="save it as UTF-8",
        ) from error
    except OSError as error:
        siblings = [one for one in path.parent.glob("*") if one.suffix in (".yaml", ".yml")]
        close = nearest(path.name, (one.name for one in siblings))
        named = path.parent / close if close else next(iter(sorted(siblings)), None)
        raise ConfigError(
            f"the config cannot be read: {error.strerror or error}",
            where=str(path),
            expected="a YAML file",
            fix=f"did you mean {named}?" if named else otherwise,
        ) from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Document:
    """Parses one YAML document.

    Args:
      text: The document.
      where: The name of the file, or of the override, for errors.

    Raises:
      ConfigError: The syntax is broken, a key comes twice, or is no text.
    """
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(where, text, None, {})
        lines: dict[KeyPath, int] = {}
        _visit(node, (), lines, where)
        return Document(where, text, loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, where) from error
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            "a character that YAML does not allow",
            where=f"{where}, line {text.count(chr(10), 0, error.position) + 1}",
            expected="text in UTF-8 without control characters",
            received=f"character {error.character!r}",
        ) from error
    except RecursionError as error:
        raise ConfigError(
            "the keys are nested too deeply", where=where, expected=f"at most {_DEEPEST} levels"
        ) from error


def _visit(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], where: str) -> None:
    if len(path) > _DEEPEST:
        raise ConfigError(
            "the keys are nested too deeply",
            where=_place(where, path[:3], node),
            expected=f"at most {_DEEPEST} levels, and no anchor that holds itself",
        )
    if isinstance(node, yaml.MappingNode):
        _visit_mapping(node, path, lines, where)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            here = (*path, index)
            lines[here] = item.start_mark.line + 1
            _visit(item, here, lines, where)
    elif node.tag == _TAG + "float" and not _finite(node.value):
        raise ConfigError(
            f"{node.value} is not a finite number",
            where=_place(where, path, node),
            expected="a finite number",
            received=node.value,
        )


def _visit_mapping(
    node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int], where: str
) -> None:
    for key, value in node.value:
        if key.tag == _TAG + "merge":
            continue
        if key.tag != _TAG + "str":
            raise ConfigError(
                "a key that is not a text",
                where=_place(where, path, key),
                expected="a text; put numbers, true, false and null in quotes",
                received=shorten(getattr(key, "value", None)),
            )
        here = (*path, key.value)
        if here in lines:
            raise ConfigError(
                f"the key {dotted(here)!r} comes twice",
                where=_place(where, here, key),
                expected="every key once",
                received=f"the same key on line {lines[here]}",
                fix="remove one of them",
            )
        lines[here] = key.start_mark.line + 1
        _visit(value, here, lines, where)


def dotted(path: KeyPath) -> str:
    """The path as a user writes it: `training.optimizer.kind`."""
    return ".".join(map(str, path))


def _place(where: str, path: KeyPath, node: yaml.Node) -> str:
    key = f", key {dotted(path)}" if path else ""
    return f"{where}{key} (line {node.start_mark.line + 1})"


def _finite(text: str) -> bool:
    return "inf" not in text.lower() and "nan" not in text.lower() and math.isfinite(float(text))


def _syntax_error(error: yaml.MarkedYAMLError, where: str) -> ConfigError:
    mark: Any = error.problem_mark or error.context_mark
    line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    snippet = (mark.get_snippet(max_length=60) or "").splitlines() if mark else []
    return ConfigError(
        f"not valid YAML: {error.problem or error.context}",
        where=f"{where}{line}",
        expected="keys as `key: value`, indented with spaces",
        received=snippet[0].strip() if snippet else "",
    )
