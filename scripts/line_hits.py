"""Notes which lines of Kelp's own modules run, in all processes of a test run.

Each statement of a module is preceded by one that sets a byte of a file, which the processes map
into their memory. So nothing is left to do at a process's end: it may be forked, replaced or
killed. It costs next to nothing, where the tracer of coverage.py, which it has before Python
3.12, slows down all Python code of a process, TensorFlow's imports included.

The lines are those of coverage.py, but for `except` and `case`: they count where they or one
behind them match, not where they are tried.
"""

from __future__ import annotations

import builtins
import itertools
import json
import marshal
import mmap
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast

HITS = "hits"
OFFSETS = "offsets.json"
# Not a global of the modules: pickled functions take those with them.
_NAME = "__line_hits__"


def lay_out(folder: str, sources: Iterable[Path]) -> None:
    """Makes the files of a run: a byte for each line of the sources, and where each begins."""
    offsets, size = {}, 1
    for source in sources:
        offsets[str(source)] = size
        size += len(source.read_bytes().splitlines()) + 1
    Path(folder, HITS).write_bytes(bytes(size))
    Path(folder, OFFSETS).write_text(json.dumps(offsets), encoding="utf-8")


def compile_all(folder: str) -> None:
    """Compiles all sources, on all cores: processes that start at once would all compile them."""
    from multiprocessing import Pool

    offsets: Mapping[str, int] = json.loads(Path(folder, OFFSETS).read_text(encoding="utf-8"))
    with Pool() as pool:
        pool.starmap(_keep_code, [(folder, *source) for source in offsets.items()], 32)


def _keep_code(folder: str, path: str, offset: int) -> None:
    _cached_code(_cache(folder, offset), path, offset)


def _cache(folder: str, offset: int) -> Path:
    return Path(folder, f"{offset}.{sys.implementation.cache_tag}")


def read_lines(folder: str) -> dict[str, list[int]]:
    """By source: the lines that ran."""
    hits = Path(folder, HITS).read_bytes()
    offsets = json.loads(Path(folder, OFFSETS).read_text(encoding="utf-8"))
    ends = [*list(offsets.values())[1:], len(hits)]
    return {
        source: [at - offset for at in range(offset, end) if hits[at]]
        for (source, offset), end in zip(offsets.items(), ends, strict=True)
    }


def start(folder: str) -> None:
    """Notes the lines of modules that this process imports from now on, and those it forks."""
    with Path(folder, HITS).open("r+b") as file:
        setattr(builtins, _NAME, mmap.mmap(file.fileno(), 0))
    offsets: Mapping[str, int] = json.loads(Path(folder, OFFSETS).read_text(encoding="utf-8"))
    uncounted = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        path = str(loader.path)
        offset = offsets.get(path)
        if offset is None:
            return uncounted(loader, name)
        return _cached_code(_cache(folder, offset), path, offset)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def _cached_code(cache: Path, path: str, offset: int) -> CodeType:
    try:
        code: CodeType = marshal.loads(cache.read_bytes())
        return code
    except FileNotFoundError:
        code = counting_code(Path(path).read_bytes(), path, offset)
    scratch = cache.with_name(f"{cache.name}-{os.getpid()}")
    scratch.write_bytes(marshal.dumps(code))
    scratch.replace(cache)
    return code


def counting_code(source: bytes, path: str, offset: int) -> CodeType:
    """Compiles a module that sets byte `offset + n` when its line n runs."""
    import ast

    tree = ast.parse(source, path)
    for node in reversed(list(ast.walk(tree))):
        _count_blocks(node, offset)
    return compile(tree, path, "exec", dont_inherit=True)


def _count_blocks(node: ast.AST, offset: int) -> None:
    """Puts a counting statement in front of each statement of each block of a node."""
    for block in ("body", "orelse", "finalbody"):
        statements = getattr(node, block, None)
        if isinstance(statements, list):
            first = _after_preamble(node) if block == "body" else 0
            preamble = [_hit(offset + each.lineno, each) for each in statements[:first]]
            counted = [_count(statement, offset) for statement in statements[first:]]
            setattr(node, block, [*statements[:first], *preamble, *itertools.chain(*counted)])
    for branches in (getattr(node, "handlers", ()), getattr(node, "cases", ())):
        for last, branch in enumerate(branches, 1):
            heads = [getattr(head, "pattern", head) for head in branches[:last]]
            branch.body[:0] = [_hit(offset + head.lineno, branch.body[0]) for head in heads]


def _after_preamble(node: ast.AST) -> int:
    """How many statements must stay first: a docstring, and imports from `__future__`."""
    import ast

    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return 0
    first = int(ast.get_docstring(node, clean=False) is not None)
    while (
        first < len(node.body)
        and isinstance(node.body[first], ast.ImportFrom)
        and node.body[first].module == "__future__"
    ):
        first += 1
    return first


def _count(statement: ast.stmt, offset: int) -> Iterator[ast.stmt]:
    decorators = getattr(statement, "decorator_list", ())
    for line in sorted({place.lineno for place in (statement, *decorators)}):
        yield _hit(offset + line, statement)
    yield statement


def _hit(index: int, place: ast.stmt) -> ast.stmt:
    import ast

    target = ast.Subscript(ast.Name(_NAME, ast.Load()), ast.Constant(index), ast.Store())
    statement: Any = ast.Assign([target], ast.Constant(1))
    return ast.fix_missing_locations(ast.copy_location(statement, place))
