"""A transform graph's SavedModel, loaded once for all who read it in a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import tensorflow as tf
import tensorflow_transform as tft

# By folder, and when its graph was written: as long as someone uses what was loaded.
_LOADED: WeakValueDictionary[tuple[str, int], Any] = WeakValueDictionary()


def load_transform_graph(graph: tft.TFTransformOutput) -> tuple[Any, Any]:
    """Loads a transform graph, unless it is loaded already.

    To load one takes longer than most of what is done with it.

    Returns:
      What was loaded, and its concrete function, of which the former owns what it has captured.
    """
    folder = graph.transform_savedmodel_dir
    key = (folder, Path(folder, "saved_model.pb").stat().st_mtime_ns)
    loaded = _LOADED.get(key)
    if loaded is None:
        loaded = _LOADED[key] = tf.saved_model.load(folder)
    function = loaded.transform_fn
    return loaded, (getattr(function, "concrete_functions", None) or [function])[0]
