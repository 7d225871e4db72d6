"""A digest of the source that a component can reach, for TFX's cache key.

TFX's key holds a component's parameters and inputs, not the code behind an import path.
Each of our components therefore carries this digest as a parameter: editing a module
re-runs the components that reach it by import, and no other.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from contracts.imported_names import imported_names
from models.user_code import FunctionSource

PACKAGES = (
    "pipelines",
    "components",
    "evidence",
    "report",
    "models",
    "serving",
    "contracts",
    "examples",
)


def source_digest(*modules: str, functions: Iterable[FunctionSource] = ()) -> str:
    """Gives the SHA-256 of all of Kelp's modules reachable from `modules`.

    Args:
      modules: Names of Kelp's modules.
      functions: The users' functions that they run, with all that these import.

    Raises:
      ModuleNotFoundError: one of `modules` is not a module.
    """
    digest = hashlib.sha256()
    for name, path in sorted(reachable(modules).items()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    for function in functions:
        digest.update(f"{function.path} {function.digest()}\n".encode())
    return digest.hexdigest()[:32]


def reachable(modules: Iterable[str]) -> dict[str, Path]:
    """Maps every module of Kelp's that `modules` import, themselves included, to its file."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _module_file(name)
        if path is None:
            raise ModuleNotFoundError(f"no module {name!r} to take the source of")
        found[name] = path
        waiting.extend(_imports(path, name))
    return found


def _imports(path: Path, name: str) -> list[str]:
    parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = imported_names(path.read_text(encoding="utf-8"), parent)
    return [
        item for item in names if item.split(".")[0] in PACKAGES and _module_file(item) is not None
    ]


@lru_cache(maxsize=1024)
def _module_file(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)
