"""Functions that users bring: found by import path, loaded, and reported by their own lines.

`my_project.networks:build` names a function of a module in the folder of the config, or of
an installed package. The folder travels in the environment, so that every process of a run
finds it, and it comes last on the path of imports: a user's own `models` never takes the
place of ours. Importing this module imports no TensorFlow.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import linecache
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from contracts.errors import ConfigError, KelpError, ModelError
from contracts.imported_names import imported_names
from contracts.text import nearest

CODE_FOLDER_VARIABLE = "KELP_CODE_FOLDER"

_NAME = r"[A-Za-z_]\w*"
_IMPORT_PATH = rf"{_NAME}(\.{_NAME})*:{_NAME}"

ImportPath = Annotated[str, Field(pattern=f"^{_IMPORT_PATH}$")]
"""`package.module:function`, as a config has it."""


@dataclass(frozen=True)
class FunctionSource:
    """Where a function comes from.

    Attributes:
      path: Its import path.
      root: The folder that its top-level module lies in.
      files: The modules that it reaches by import, its own first, by name: those of the
        config's folder, or those of the same installed package.
    """

    path: str
    root: Path
    files: Mapping[str, Path]

    @property
    def file(self) -> Path:
        """The module of the function itself."""
        return next(iter(self.files.values()))

    def owns(self, file: Path) -> bool:
        """Whether a file is one that the function was loaded from."""
        return file in self.files.values()

    def digest(self) -> str:
        """SHA-256 of the names and the content of all its files."""
        digest = hashlib.sha256()
        for name, path in sorted(self.files.items()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name} {content}\n".encode())
        return digest.hexdigest()[:32]


def code_folder() -> Path | None:
    """The folder that a run takes its user's code from, where it has one."""
    folder = os.environ.get(CODE_FOLDER_VARIABLE)
    return Path(folder) if folder else None


def use_code_folder(folder: Path) -> None:
    """Makes this process, and those that it starts, take users' code from a folder."""
    os.environ[CODE_FOLDER_VARIABLE] = str(folder.resolve())


def find_function(path: str, folder: Path | None) -> FunctionSource:
    """Finds a function without running any of its code.

    Args:
      path: `package.module:function`.
      folder: The folder of the config; None looks among installed packages only.

    Raises:
      ConfigError: there is no such module or function, or the module is there twice.
    """
    module, _, name = path.partition(":")
    root, inside = _find_root(path, folder)
    file = _module_file(module, root)
    if file is None:
        raise ConfigError(
            f"There is no module {module!r} for the function {path!r}.",
            where=path,
            expected=f"{root / Path(*module.split('.'))}.py",
            fix="correct the import path: package.module:function",
        )
    names = _top_level_names(file)
    if name not in names and "*" not in names:
        close = nearest(name, names)
        raise ConfigError(
            f"The module {module!r} has no function {name!r}.",
            where=_shown(file),
            expected=f"def {name}(...)",
            received=", ".join(sorted(names)) or "no function",
            fix=f"did you mean {module}:{close}?" if close else "write it, or name another",
        )
    return FunctionSource(path, root, _reachable(module, root, inside))


def load_function(path: str) -> Callable[..., Any]:
    """Imports a function or a class; see `load_object`."""
    function = load_object(path)
    if not callable(function):
        raise _not_named(path, f"{type(function).__name__} {function!r}")
    return function


def load_object(path: str) -> object:
    """Imports what a path names, from the folder in the environment or an installed package.

    Raises:
      ConfigError: there is no such object.
      ModelError: its module raises while it is imported; the user's line is named.
    """
    source = find_function(path, code_folder())
    module, _, name = path.partition(":")
    if str(source.root) not in sys.path:
        sys.path.append(_CodeFolder(source.root))
        importlib.invalidate_caches()
    with reporting(source):
        imported = importlib.import_module(module)
        loaded: object = getattr(imported, name)
    if not _same(Path(str(imported.__file__)), source.file):
        raise _not_named(path, f"{name} of {imported.__file__}")
    return loaded


def _not_named(path: str, received: str) -> ConfigError:
    return ConfigError(
        f"{path} is not the function that the config names.",
        where=_shown(find_function(path, code_folder()).file),
        expected="a function of that module",
        received=received,
    )


def call_function(path: str, *arguments: Any, **options: Any) -> Any:
    """Loads a user's function and calls it; a mistake in it is reported by its own line.

    Raises:
      ConfigError: there is no such function, or it does not take these arguments.
      ModelError: it raised.
    """
    function = load_function(path)
    source = find_function(path, code_folder())
    _check_signature(path, function, arguments, options)
    with reporting(source):
        return function(*arguments, **options)


def describe_place(path: str) -> str:
    """File and line of a function that can be loaded; of anything else the file."""
    code: Any = load_object(path)
    code = inspect.unwrap(code) if callable(code) else code
    file = find_function(path, code_folder()).file
    line = getattr(getattr(code, "__code__", None), "co_firstlineno", None)
    return _shown(file) if line is None else f"{_shown(file)}, line {line}"


@contextmanager
def reporting(source: FunctionSource) -> Iterator[None]:
    """Turns what user code raises meanwhile into an error that names its file and line."""
    try:
        yield
    except KelpError:
        raise
    except Exception as error:
        frame = _innermost(error, source.owns)
        raise _report(error, source.path, frame, source.file) from error


def explain_user_error(error: BaseException) -> ModelError | None:
    """The error that names the user's own line, where code of the folder was running."""
    folder = code_folder()
    frame = None if folder is None else _innermost(error, lambda file: _is_inside(file, folder))
    if frame is None:
        return None
    return _report(error, Path(frame.filename).stem, frame, Path(frame.filename))


def _check_signature(
    path: str, function: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]
) -> None:
    try:
        inspect.signature(function).bind(*arguments, **options)
    except TypeError as error:
        given = [*(f"argument {i + 1}" for i in range(len(arguments))), *options]
        raise ConfigError(
            f"{path} cannot be called as it is configured: {error}",
            where=describe_place(path),
            expected=f"a function of {', '.join(given)}",
            received=f"{path.partition(':')[2]}{inspect.signature(function)}",
            fix="correct the function's parameters, or the options in the config",
        ) from error


def _report(
    error: BaseException, what: str, frame: traceback.FrameSummary | None, file: Path
) -> ModelError:
    where = _shown(file)
    if frame is not None:
        line = linecache.getline(frame.filename, frame.lineno or 0).strip()
        where = f"{_shown(Path(frame.filename))}, line {frame.lineno}, in {frame.name}: {line}"
    # Keras colours its messages.
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return ModelError(
        f"Your code for {what} raised {type(error).__name__}: {message}",
        where=where,
        fix="correct that line, then `kelp run` again",
    )


def _innermost(
    error: BaseException | None, is_own: Callable[[Path], bool]
) -> traceback.FrameSummary | None:
    """The innermost line of user code that led to the error, or to what caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if is_own(Path(frame.filename))]
        if own:
            return own[-1]
        error = error.__cause__ or error.__context__
    return None


def _is_inside(file: Path, root: Path) -> bool:
    """Whether a file is the user's: the folder may hold a virtual environment as well."""
    path = file.resolve()
    return path.is_relative_to(root) and "site-packages" not in path.relative_to(root).parts


def _shown(file: Path) -> str:
    path = file.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _find_root(path: str, folder: Path | None) -> tuple[Path, str]:
    """The folder of the top-level module, and the package that its files belong to.

    An installed package shares its folder with all others: only its own modules count.
    """
    module = path.partition(":")[0]
    top = module.partition(".")[0]
    installed = _installed_root(top)
    own = folder if folder is not None and _module_file(module, folder) else None
    if own is not None and installed is not None and not _same(own, installed):
        raise ConfigError(
            f"The name {top!r} of the function {path!r} is taken by an installed package.",
            where=_shown(own / top),
            expected="a name of its own for a module beside the config",
            received=f"a package {top} in {installed}, which comes first",
            fix=f"rename {top}, beside the config and in the config",
        )
    if own is not None:
        return own.resolve(), ""
    if installed is not None:
        return installed, top
    raise ConfigError(
        f"There is no module {module!r} for the function {path!r}.",
        where=path,
        expected="a module in the folder of the config, or an installed package",
        received="" if folder is None else f"no {module.replace('.', '/')}.py in {_shown(folder)}",
        fix="correct the import path: package.module:function",
    )


class _CodeFolder(str):
    """An entry on the path of imports that user code was loaded from."""

    __slots__ = ()


def _installed_root(top: str) -> Path | None:
    """The folder of an installed top-level module; None where nothing of that name is."""
    added = [Path(entry) for entry in sys.path if isinstance(entry, _CodeFolder)]
    for finder in sys.meta_path:
        spec = finder.find_spec(top, None)
        if spec is None:
            continue
        folders = list(spec.submodule_search_locations or ())
        place = Path(folders[0] if folders else spec.origin or "")
        if not any(_same(place.parent, folder) for folder in added):
            return place.parent
    return None


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def _module_file(module: str, root: Path) -> Path | None:
    place = root.joinpath(*module.split("."))
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    # A package comes before a module of the same name, as it does for Python.
    return next((file for file in reversed(files) if file.is_file()), None)


def _top_level_names(file: Path) -> set[str]:
    names: set[str] = set()
    with _readable(file):
        tree = ast.parse(file.read_bytes())
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, (ast.ImportFrom, ast.Import)):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (SyntaxError, UnicodeDecodeError) as error:
        line = f", line {error.lineno}: {error.text}" if isinstance(error, SyntaxError) else ""
        raise ConfigError(
            f"Your module {file.stem!r} is not valid Python: {error}",
            where=f"{_shown(file)}{line}",
            fix="correct that line, then `kelp run` again",
        ) from error


def _reachable(module: str, root: Path, package: str) -> dict[str, Path]:
    """The modules that `module` imports from the same folder, itself first, by name."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop(0)
        file = None if name in found else _module_file(name, root)
        if file is None or (package and name.split(".")[0] != package):
            continue
        found[name] = file
        parent = name if file.name == "__init__.py" else name.rpartition(".")[0]
        with _readable(file):
            text = file.read_text(encoding="utf-8")
            # The packages around a module are run before it.
            waiting += sorted(
                {*imported_names(text, parent), *imported_names(f"import {name}", "")}
            )
    return found
