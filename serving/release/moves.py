"""The moves of a release; one that fails half-way leaves what was there before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from contracts.errors import EnvironmentProblem, KelpError
from serving.release.aliases import Aliases
from serving.release.config_file import read_message, restore_message
from serving.release.plan import Plan
from serving.release.state import CANARY, STABLE, Release, restore_release, write_release
from serving.release.traffic import Traffic


def after_promotion(running: Release) -> Release:
    """The release once its canary is promoted."""
    assert running.canary is not None
    return Release(stable=running.canary, previous=running.stable, rejected=running.rejected)


def after_return(running: Release) -> Release:
    """The release once its canary was taken back."""
    assert running.canary is not None
    rejected = tuple(sorted({*running.rejected, running.canary}))
    return Release(stable=running.stable, previous=running.previous, rejected=rejected)


def try_canary(plan: Plan, traffic: Traffic, running: Release) -> None:
    """Has both versions served and gives the canary its share."""
    assert running.canary is not None
    both = [running.stable, running.canary]
    traffic.load(both, needed=both)
    traffic.label({STABLE: running.stable, CANARY: running.canary})
    traffic.send(running)
    update_mlflow(plan, running.stable, running.canary, traffic.tell)


def promote(traffic: Traffic, running: Release) -> None:
    """Makes the canary the stable version, and lets the old one go."""
    promoted = after_promotion(running)
    traffic.label({STABLE: promoted.stable})
    traffic.send(promoted)
    traffic.keep(promoted.stable)


def go_back(traffic: Traffic, running: Release) -> None:
    """Takes the traffic from the canary, then the canary itself."""
    if traffic.view.labelled(traffic.place.name, STABLE) != running.stable:
        # The canary never came so far; the proxy sends everything to this label from now on.
        traffic.label({STABLE: running.stable})
    traffic.send(after_return(running))
    traffic.keep(running.stable)


def move_all(
    traffic: Traffic, target: int, current: int | None, canary: int | None, release: Release
) -> None:
    """Sends all traffic to one version at once.

    Args:
      traffic: The model's.
      target: The version.
      current: The one that takes it now; None for none.
      canary: The one on trial beside it; None for none.
      release: The release once that is done.
    """
    loaded = {one for one in (target, current, canary) if one is not None}
    traffic.load(sorted(loaded), needed=[target])
    traffic.label({STABLE: target})
    traffic.send(release)
    traffic.keep(target)


class NotRestored(EnvironmentProblem):
    """What was there before a release cannot be put back."""


@dataclass(frozen=True)
class Before:
    """What there was before a release.

    Attributes:
      release: What releases.json said of the model.
      message: What models.config said of it.
      aliases: MLflow's.
    """

    release: Release | None
    message: Any | None
    aliases: dict[str, str] | None


@contextmanager
def restoring(
    plan: Plan, traffic: Traffic, stable: int, steps: Collection[Release]
) -> Iterator[None]:
    """Restores what was there before if what is done within fails, whatever the reason.

    Args:
      plan: What is released.
      traffic: The model's.
      stable: A version that is available all the time.
      steps: What releases.json will say on the way; where it says something else, somebody
        else has changed it, and nothing is restored.

    Raises:
      NotRestored: what was there before cannot be restored.
    """
    place, mlflow = plan.place, _mlflow(plan, traffic.tell)
    before = Before(traffic.release(), read_message(place.config, place.name), mlflow.read())
    try:
        yield
    except BaseException as failure:
        if traffic.release() not in (before.release, *steps):
            traffic.tell(f"{place.name}: somebody else changed the release; it stays as it is")
            raise
        try:
            _restore(traffic.hurried(), before, stable)
        except KelpError as problem:
            raise _not_restored(plan, failure, problem) from failure
        mlflow.restore(before.aliases)
        traffic.tell(
            f"{place.name}: this failed; {place.config.name} and {place.releases.name} "
            "are as they were before"
        )
        raise


def _restore(traffic: Traffic, before: Before, stable: int) -> None:
    place = traffic.place
    if traffic.release() != before.release:
        _take_traffic_back(traffic, before, stable)
    restore_message(place.config, place.name, before.message)


def _take_traffic_back(traffic: Traffic, before: Before, stable: int) -> None:
    """Sends everything to the stable version, so that the others can go unnoticed."""
    place = traffic.place
    _attempt(lambda: traffic.label({STABLE: stable}))
    write_release(place.releases, place.name, before.release or Release(stable=stable))
    _attempt(lambda: traffic.send(before.release or Release(stable=stable)))
    if before.release is not None:
        return
    # Without a release the proxy names no version: only this one may be there to answer.
    traffic.keep(stable)
    _attempt(lambda: traffic.wait_alone(stable))
    restore_release(place.releases, place.name, None)
    _attempt(traffic.settle)


def _attempt(wait: Callable[[], None]) -> None:
    """Waits as long as that is of use; what is written must not depend on who answers."""
    try:
        wait()
    except (KelpError, KeyboardInterrupt):
        # A server that is away, or an impatient user: the files count.
        return


def _not_restored(plan: Plan, failure: BaseException, problem: KelpError) -> NotRestored:
    place = plan.place
    return NotRestored(
        f"The release of {place.name} failed, and what was there before cannot be restored.",
        where=f"{place.config} and {place.releases}",
        received=f"{problem}; the release had failed by: {failure}",
        fix=f"correct that, then `kelp rollback {place.name}`",
    )


def update_mlflow(plan: Plan, stable: int, canary: int | None, tell: Callable[[str], None]) -> None:
    """Has MLflow's aliases follow the traffic."""
    _mlflow(plan, tell).follow(stable, canary)


def _mlflow(plan: Plan, tell: Callable[[str], None]) -> Aliases:
    return Aliases(plan.tracking_uri, plan.place.models_root / plan.place.name, tell)
