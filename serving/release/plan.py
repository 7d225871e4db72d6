"""What is to be released or rolled back, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from serving.release.config import ReleaseSpec
from serving.release.judge import Check
from serving.release.traffic import Place

Result = Literal[
    "promoted", "released", "went back", "rolled back", "given up", "failed", "not restored"
]


@dataclass(frozen=True)
class Plan:
    """What to release or roll back, and with whose help.

    Attributes:
      place: Where the model is served from.
      server: The URL of the server: Kelp's or TensorFlow Serving.
      proxy: The URL of the proxy before it; only a canary needs one.
      spec: How a canary is watched.
      version: The version to try, or to return to; None finds it.
      api_key: What server and proxy want as `X-API-Key`.
      tracking_uri: MLflow's; None leaves it alone.
    """

    place: Place
    server: str
    proxy: str | None
    spec: ReleaseSpec
    version: int | None = None
    api_key: str | None = None
    tracking_uri: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a release or rollback.

    Attributes:
      name: The model.
      result: What happened.
      stable: The version that takes the traffic now.
      other: The version that lost its traffic; None where none did.
      reason: Why.
      checks: The figures that were decided by.
      seconds: How long it took.
    """

    name: str
    result: Result
    stable: int
    other: int | None
    reason: str
    checks: Sequence[Check]
    seconds: float

    @property
    def status(self) -> int:
        """The status to exit with: 0 where the version that was asked for takes the traffic."""
        return 0 if self.result in ("promoted", "released", "rolled back") else 1

    def lines(self) -> list[str]:
        """The summary."""
        head = {
            "promoted": f"{self.name}: version {self.stable} is stable now",
            "released": f"{self.name}: version {self.stable} is stable now",
            "rolled back": f"{self.name}: back to version {self.stable}",
            "went back": f"{self.name}: version {self.other} went back; {self.stable} stays stable",
            "given up": f"{self.name}: the release was given up",
            "failed": f"{self.name}: the release failed; all is as it was before, and version "
            f"{self.stable} takes the traffic",
            "not restored": f"{self.name}: the release failed, and left traces",
        }[self.result]
        return [
            f"{head} ({self.seconds:.1f} s): {self.reason}",
            *(f"  {check.line()}" for check in self.checks),
        ]
