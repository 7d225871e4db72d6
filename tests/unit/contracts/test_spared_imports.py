"""What a process is spared: only for those who can do without it, and for nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from contracts.spared_imports import spare_imports

_IMPORTS = """
import sys
from contracts.spared_imports import spare_imports
spare_imports()
spare_imports()
assert sum(type(finder).__name__ == "_SparedImports" for finder in sys.meta_path) == 1
import keras.parts, other, tqdm_like
assert keras.parts.found == [], keras.parts.found
assert other.found == ["matplotlib.pyplot", "sklearn"], other.found
import keras.late
assert keras.late.found == ["sklearn"]
"""
_TRY = """
found = []
try:
    import {name}
    found.append("{name}")
except ImportError as error:
    assert error.name == "{top}"
"""


def test_only_who_can_do_without_goes_without(tmp_path: Path) -> None:
    for name in ("matplotlib/__init__", "matplotlib/pyplot", "sklearn", "keras/__init__"):
        (tmp_path / f"{name}.py").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").touch()
    tries = [_TRY.format(name="matplotlib.pyplot", top="matplotlib")]
    tries.append(_TRY.format(name="sklearn", top="sklearn"))
    (tmp_path / "keras" / "parts.py").write_text("\n".join(tries))
    (tmp_path / "tqdm_like.py").write_text("import sklearn")
    both = "\n".join(tries).replace("found = []", "").strip()
    (tmp_path / "other.py").write_text(f"found = []\n{both}\n")
    (tmp_path / "keras" / "late.py").write_text(tries[1])
    root = Path(__file__).parents[3]
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]\n{_IMPORTS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_keras_has_what_the_tests_use_although_it_was_spared_the_rest() -> None:
    spare_imports()
    import keras

    assert keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).count_params() == 3
