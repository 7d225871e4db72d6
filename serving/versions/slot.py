"""One version of one model: its state, what serves it, and the requests that it has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serving.batching import Predictor
from serving.versions.folders import Fingerprint

State = Literal["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
OK = "OK"


@dataclass(frozen=True)
class VersionStatus:
    """The status of one version, in TensorFlow Serving's words.

    Attributes:
      version: The version.
      state: Where it is in its life.
      code: "OK", or the name of the error that kept it from being served.
      message: What went wrong.
    """

    version: int
    state: State
    code: str = OK
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """One entry of `model_version_status`."""
        status = {"error_code": self.code, "error_message": self.message}
        return {"version": str(self.version), "state": self.state, "status": status}


class Slot:
    """A version that is, was or could not be served.

    Attributes:
      path: Its folder.
      state: Where it is in its life.
      files: The folder's files when it was loaded, or failed to.
      failed: Whether it failed.
      predictor: What answers; None unless it is available or being unloaded.

    Args:
      version: The version.
      path: Its folder.
    """

    def __init__(self, version: int, path: Path) -> None:
        self.version = version
        self.path = path
        self.state: State = "START"
        self.files: Fingerprint = ()
        self.predictor: Predictor | None = None
        self._code, self._message = OK, ""
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def failed(self) -> bool:
        """Whether it could not be loaded."""
        return self._code != OK

    @property
    def status(self) -> VersionStatus:
        """Its status."""
        return VersionStatus(self.version, self.state, self._code, self._message)

    def fail(self, code: str, message: str) -> None:
        """Puts down why it is not served."""
        self.state, self._code, self._message = "END", code, message

    def retain(self) -> None:
        """One request more."""
        self._in_flight += 1
        self._idle.clear()

    def release(self) -> None:
        """One request fewer."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()

    async def idle(self) -> None:
        """Returns once no request holds it."""
        await self._idle.wait()


class Lease:
    """Holds a version while a request uses it, so that it is not unloaded meanwhile.

    Attributes:
      predictor: What answers.

    Args:
      slot: The version, which must be available.
      predictor: What answers for it.
    """

    __slots__ = ("_slot", "predictor")

    def __init__(self, slot: Slot, predictor: Predictor) -> None:
        self._slot = slot
        self.predictor = predictor

    def __enter__(self) -> Predictor:
        self._slot.retain()
        return self.predictor

    def __exit__(self, *_: object) -> None:
        self._slot.release()
