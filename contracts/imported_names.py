"""What a module imports, read from its source: none of its code is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

_IMPORT_PATH = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*):[A-Za-z_]\w*")


# A graph asks for the digests of dozens of components, which reach the same modules.
@lru_cache(maxsize=1024)
def imported_names(source: str, parent: str) -> frozenset[str]:
    """All that a module may import, with the packages around it; attributes are among them.

    A text such as `package.module:name` is an import that happens later.

    Args:
      source: The module's text.
      parent: The package that relative imports begin at.

    Raises:
      SyntaxError: the text is no Python.
    """
    names = set(_named(ast.parse(source), parent))
    parts = [name.split(".") for name in names if name]
    return frozenset(".".join(part[:end]) for part in parts for end in range(1, len(part) + 1))


def _named(tree: ast.Module, parent: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, parent)
            yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            path = _IMPORT_PATH.fullmatch(node.value)
            if path is not None:
                yield path[1]


def _absolute(node: ast.ImportFrom, parent: str) -> str:
    if not node.level:
        return node.module or ""
    package = parent.rsplit(".", node.level - 1)[0]
    return ".".join(part for part in (package, node.module or "") if part)
