"""A digest of the source that a component can reach, for TFX's cache key.

TFX's key holds a component's parameters and inputs, not the code behind an import path.
Each of our components therefore carries this digest as a parameter: editing a module
re-runs the components that reach it by import, and no other.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

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


def source_digest(*modules: str) -> str:
    """Gives the SHA-256 of all of Kelp's modules reachable from `modules`.

    Raises:
      ModuleNotFoundError: one of `modules` is not a module.
    """
    digest = hashlib.sha256()
    for name, path in sorted(reachable(modules).items()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
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
    names = _imported_names(path.read_text(encoding="utf-8"), parent)
    return [item for item in names if _module_file(item) is not None]


# A graph asks for the digests of dozens of components, which reach the same modules.
@lru_cache(maxsize=1024)
def _imported_names(source: str, parent: str) -> frozenset[str]:
    """What of Kelp's a module may import, with the packages around it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, parent)
            names.append(base)
            names.extend(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(_with_parents(item for item in names if item.split(".")[0] in PACKAGES))


def _absolute(node: ast.ImportFrom, parent: str) -> str:
    if not node.level:
        return node.module or ""
    package = parent.rsplit(".", node.level - 1)[0]
    return f"{package}.{node.module}" if node.module else package


def _with_parents(names: Iterable[str]) -> set[str]:
    result: set[str] = set()
    for name in names:
        parts = name.split(".")
        result.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return result


@lru_cache(maxsize=1024)
def _module_file(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)
