"""A user's function: found without running it, loaded beside ours, reported by its lines."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.errors import ConfigError, KelpError, ModelError
from models.processes.isolated import call
from models.user_code import (
    CODE_FOLDER_VARIABLE,
    call_function,
    explain_user_error,
    find_function,
    load_function,
)

_NUMBERS = itertools.count()
NETWORK = """\
from {package}.helpers import twice


def build(inputs, output, units=3):
    return twice(units)


def fail(inputs, output):
    import json

    return json.loads(inputs)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Writes a package beside the config, under a name of its own, and gives the name."""
    name = f"users_project_{next(_NUMBERS)}"
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(tmp_path))
    before = list(sys.path)

    def write(network: str = NETWORK, helpers: str = "def twice(x):\n    return x * 2\n") -> str:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "networks.py").write_text(network.format(package=name))
        (folder / "helpers.py").write_text(helpers)
        return name

    yield write
    sys.path[:] = before


def test_a_function_beside_the_config_is_called_with_its_options(project) -> None:
    name = project()
    assert call_function(f"{name}.networks:build", [], None, units=4) == 8


def test_its_folder_comes_last_on_the_path(project, tmp_path) -> None:
    before = list(sys.path)
    load_function(f"{project()}.networks:build")
    assert sys.path == [*before, str(tmp_path)]


def test_a_function_of_an_installed_package_needs_no_folder(monkeypatch) -> None:
    monkeypatch.delenv(CODE_FOLDER_VARIABLE, raising=False)
    assert call_function("json:dumps", [1]) == "[1]"
    assert set(find_function("json:dumps", None).files) >= {"json", "json.encoder"}


def test_another_process_finds_it(project, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    answer = call(
        "tests.unit.models.test_user_code:in_another_process",
        {"path": f"{project()}.networks:build"},
        timeout_s=60,
        what="a function",
        bare=True,
    )
    assert answer == {"result": 10}


def in_another_process(request: dict[str, str]) -> dict[str, int]:
    """What the process runs."""
    return {"result": call_function(request["path"], [], None, units=5)}


def test_what_it_imports_from_its_folder_enters_its_digest(project, tmp_path) -> None:
    path = f"{project()}.networks:build"
    before = find_function(path, tmp_path).digest()
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    assert find_function(path, tmp_path).digest() == before
    project(helpers="def twice(x):\n    return x + x\n")
    assert find_function(path, tmp_path).digest() != before


@pytest.mark.parametrize(
    ("path", "what", "fix"),
    [
        ("{name}.networks:biuld", "has no function 'biuld'", "did you mean {name}.networks:build?"),
        ("{name}.layers:build", "There is no module '{name}.layers'", "correct the import path"),
        ("{name}_:build", "There is no module '{name}_'", "correct the import path"),
    ],
)
def test_a_missing_function_is_named_before_anything_runs(project, tmp_path, path, what, fix):
    name = project()
    with pytest.raises(ConfigError) as caught:
        find_function(path.format(name=name), tmp_path)
    assert what.format(name=name) in caught.value.what
    assert fix.format(name=name) in caught.value.fix


def test_a_name_of_ours_is_refused(tmp_path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.py").write_text("def build(inputs, output): ...\n")
    with pytest.raises(ConfigError, match="taken by an installed package") as caught:
        find_function("models.mine:build", tmp_path)
    assert "rename models" in caught.value.fix


def test_another_signature_is_refused_with_its_line(project) -> None:
    name = project()
    with pytest.raises(ConfigError, match="unexpected keyword argument 'depth'") as caught:
        call_function(f"{name}.networks:build", [], None, depth=4)
    assert caught.value.where.endswith("networks.py, line 4")
    assert caught.value.received == "build(inputs, output, units=3)"


def test_an_exception_is_reported_by_the_users_own_line(project) -> None:
    name = project(helpers="def twice(x):\n    return x['units']\n")
    with pytest.raises(ModelError, match="raised TypeError") as caught:
        call_function(f"{name}.networks:build", [], None)
    assert "helpers.py, line 2, in twice: return x['units']" in caught.value.where
    assert len(caught.value.lines()) <= 10


def test_of_an_exception_in_a_library_the_users_own_line_is_reported(project) -> None:
    with pytest.raises(ModelError) as caught:
        call_function(f"{project()}.networks:fail", "no JSON", None)
    assert "networks.py, line 11, in fail: return json.loads(inputs)" in caught.value.where


def test_invalid_python_is_reported_with_its_line(project, tmp_path) -> None:
    name = project(network="def build(inputs, output)\n    return 1\n")
    with pytest.raises(ConfigError, match="not valid Python") as caught:
        find_function(f"{name}.networks:build", tmp_path)
    assert "networks.py, line 1" in caught.value.where


def test_a_module_that_raises_on_import_is_reported_with_its_line(project) -> None:
    name = project(network="import math\n\nmath.sqrt(-1)\n\n\ndef build(inputs, output): ...\n")
    with pytest.raises(ModelError, match="math domain error") as caught:
        load_function(f"{name}.networks:build")
    assert "networks.py, line 3" in caught.value.where


def test_later_errors_of_user_code_are_recognised(project) -> None:
    function = load_function(f"{project()}.networks:fail")
    with pytest.raises(ValueError, match="Expecting value") as caught:
        function("no JSON", None)
    wrapped = RuntimeError("from a library")
    wrapped.__cause__ = caught.value
    error = explain_user_error(wrapped)
    assert isinstance(error, KelpError)
    assert "networks.py, line 11, in fail" in error.where
    assert explain_user_error(RuntimeError("no code of the user's")) is None
