"""Spares a process what Keras and others import for notebooks, pictures and scikit-learn.

Keras imports matplotlib, IPython and scikit-learn where they are installed, and goes without
where they are not. That is a third of the time that TensorFlow takes to import, in each process
of a run, and a server needs none of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

# Who can do without what: each of these imports stands in a `try` of its package's own.
_IMPORTERS = ("keras", "keras_tuner", "nltk", "tqdm")
_SPARED = ("IPython", "ipywidgets", "matplotlib", "sklearn")


class _SparedImports(MetaPathFinder):
    """Finds nothing; what is spared is not there for those who can do without."""

    def find_spec(self, name: str, *_: Sequence[str] | ModuleType | None) -> ModuleSpec | None:
        if name in _SPARED and _importer(sys._getframe(1)) in _IMPORTERS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def spare_imports() -> None:
    """Leaves those packages out of what Keras, its tuner, nltk and tqdm import from now on.

    Everyone else in this process can import them as before.
    """
    if not any(isinstance(finder, _SparedImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, _SparedImports())


def _importer(frame: FrameType | None) -> str:
    """The package whose code has the import statement."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(("importlib", "_frozen_importlib")):
            return module.partition(".")[0]
        frame = frame.f_back
    return ""
