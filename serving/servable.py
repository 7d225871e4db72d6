"""One loaded version of a model, whatever runtime executes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contracts.artifact import ARTIFACT_FILE
from contracts.errors import ModelError
from serving.codec.signature import Signature
from serving.logs import libraries_as_json

# The operations of a small model are too small to be shared out: waking a second thread takes
# longer than they do. More cores are for more workers.
_THREADS = 1
_CALLS = 16


class Servable(Protocol):
    """What a `Predictor` needs of a loaded version."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """The ways to call it, by name."""
        ...

    @property
    def steady(self) -> Collection[str]:
        """The signatures of which the shapes of the inputs alone decide how long a call takes."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What stands under "metadata" of `GET .../metadata`: {"signature_def": ...}."""
        ...

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Executes one batch; columns of strings are object arrays of bytes.

        Raises:
          ServingError: if the model refuses the request.
        """
        ...

    def warm_up(self) -> int:
        """Runs the requests that travel with the model; gives how many there were."""
        ...

    def close(self) -> None:
        """Lets go of the model."""
        ...


def load_servable(path: Path) -> Servable:
    """Loads a version's folder: a SavedModel, or a model file beside `artifact.json`.

    Args:
      path: The folder of one version.

    Raises:
      ModelError: if the folder holds neither, or what it holds cannot be loaded.
    """
    if (path / "saved_model.pb").is_file():
        with libraries_as_json():
            from serving.saved_model import SavedModelServable, set_threads

        set_threads(_THREADS, _CALLS)
        return SavedModelServable(path)
    if (path / ARTIFACT_FILE).is_file():
        from serving.artifact import ArtifactServable

        return ArtifactServable(path)
    raise ModelError(
        "This folder holds no model.",
        where=str(path),
        expected="saved_model.pb, or artifact.json beside its model file",
        received=", ".join(sorted(each.name for each in path.iterdir())[:5])
        if path.is_dir()
        else "no folder",
    )
