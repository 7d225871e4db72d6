import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.processes.child_process import module_command, safe_path
from models.processes.isolated import call
from tests.decoys import NAMES, write_decoys

HERE = "tests.unit.models.processes.test_child_process"
PACKAGES = ("components", "models", "pipelines", "serving")


def where(_):
    import models

    return {"models": models.__file__}


@pytest.fixture
def decoys(tmp_path, monkeypatch):
    """The working directory, full of packages with the names of ours."""
    root = Path.cwd()
    monkeypatch.chdir(write_decoys(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(root))
    return root


def test_there_is_a_decoy_of_each_of_our_packages():
    root = Path(__file__).parents[4]
    folders = {init.parent.name for init in root.glob("*/__init__.py")}
    assert folders - {"tests", "bench"} == set(NAMES)


def test_a_module_gets_its_arguments_and_is_the_main_one():
    command = module_command("this", ["one"])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "The Zen of Python" in done.stdout


def test_an_installed_module_is_found_beside_decoys(decoys):
    command = module_command("models.processes.isolated")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "decoy" not in done.stderr
    assert str(decoys / "models") in done.stderr
    assert "not enough values to unpack" in done.stderr


@pytest.mark.parametrize("bare", [False, True])
def test_a_function_runs_beside_decoys(decoys, bare):
    given = call(f"{HERE}:where", {}, timeout_s=120, what="x", bare=bare)
    assert given["models"] == str(decoys / "models" / "__init__.py")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no PYTHONSAFEPATH")
def test_a_safe_path_is_for_the_children_only(decoys, monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    command = [sys.executable, "-c", f"import {NAMES[0]}"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    with safe_path():
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert "PYTHONSAFEPATH" not in os.environ


def test_no_child_is_started_by_the_name_of_its_module():
    root = Path(__file__).parents[4]
    sources = [file for name in PACKAGES for file in (root / name).rglob("*.py")]
    assert sources
    named = [str(file) for file in sources if 'sys.executable, "-m"' in file.read_text()]
    assert named == []
