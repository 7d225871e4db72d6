"""Result files: written whole, read with their version and every key checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import (
    ConfigDict,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
)

from contracts.errors import KelpError
from contracts.files import read_json, write_json
from contracts.spec import Spec

R = TypeVar("R", bound="ResultFile")
T = TypeVar("T")

_AGAIN = "run the pipeline again with this version of Kelp: kelp run CONFIG --no-cache"


class Result(Spec):
    """A part of a result file."""

    model_config = ConfigDict(populate_by_name=True)


class SparseResult(Result):
    """A part whose fields are left out of the file where they are None."""

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class ResultFile(Result):
    """A whole result file; a change that readers must know of gives it another version.

    Attributes:
      FILE: The file's name.
    """

    FILE: ClassVar[str]

    version: int

    def to_json(self) -> dict[str, Any]:
        """Gives the content of the file."""
        return self.model_dump(mode="json", by_alias=True)


class ResultError(KelpError):
    """A result file is broken, or another version of Kelp wrote it."""


def write_result(folder: Path, result: ResultFile) -> Path:
    """Writes a result file so that a reader sees all of it or none, and gives its path."""
    path = folder / result.FILE
    write_json(path, result.to_json())
    return path


def read_result(folder: Path, kind: type[R]) -> R:
    """Reads the result file of a kind from its folder.

    Raises:
      ResultError: The file is missing, broken, or of another version.
    """
    path = folder / kind.FILE
    return parse_result(read_content(path), kind, str(path))


def read_content(path: Path) -> Any:
    """Reads the JSON of a result file.

    Raises:
      ResultError: The file is missing or broken.
    """
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path.name} cannot be read",
            where=str(path),
            expected="a JSON file that Kelp wrote",
            received=str(error),
            fix=_AGAIN,
        ) from error


def parse_result(content: Any, kind: type[R], where: str) -> R:
    """Builds a result from the content of its file.

    Raises:
      ResultError: The content is broken, or of another version.
    """
    expected = kind.model_fields["version"].default
    version = content.get("version") if isinstance(content, dict) else None
    if version != expected:
        raise ResultError(
            f"{kind.FILE} has another version than this Kelp reads",
            where=where,
            expected=f"version {expected}",
            received="no version" if version is None else f"version {version}",
            fix=_AGAIN,
        )
    return validated(TypeAdapter(kind), content, kind.FILE, where)


def validated(adapter: TypeAdapter[T], content: Any, file: str, where: str) -> T:
    """Checks every key and value of a result.

    Raises:
      ResultError: One of them is not valid.
    """
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ResultError(
            f"{file} is broken: {error.error_count()} invalid values",
            where=f"{where}, key {'.'.join(map(str, first['loc']))}",
            expected=first["msg"],
            received=repr(first["input"]),
            fix=_AGAIN,
        ) from error
