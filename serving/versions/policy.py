"""Chooses which of the versions that there are should be served."""

from __future__ import annotations

from collections.abc import Collection

from serving.config import PolicySpec


def choose(policy: PolicySpec, found: Collection[int], failed: Collection[int]) -> list[int]:
    """The versions to serve, newest first.

    One that failed leaves its place to the next: a newest version that is broken must not
    keep a restarted server from serving the one before.

    Args:
      policy: Which versions are wanted.
      found: The versions that there are.
      failed: Those of them that could not be loaded.
    """
    sound = sorted(set(found) - set(failed), reverse=True)
    if policy.kind == "latest":
        return sound[: policy.count]
    if policy.kind == "specific":
        return [version for version in sound if version in policy.versions]
    return sound
