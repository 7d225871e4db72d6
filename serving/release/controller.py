"""`kelp release` and `kelp rollback`: a canary is watched, and its traffic goes on or back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from serving.errors import ServingProblem
from serving.release.aliases import follow
from serving.release.config import ReleaseSpec
from serving.release.judge import Check, judge
from serving.release.server_view import ServerView
from serving.release.state import CANARY, STABLE, Release
from serving.release.traffic import Place, Traffic

Result = Literal["promoted", "went back", "rolled back", "given up"]


@dataclass(frozen=True)
class Plan:
    """What to release or roll back, and with whose help.

    Attributes:
      place: Where the model is served from.
      server: The URL of the server: Kelp's or TensorFlow Serving.
      proxy: The URL of the proxy before it; a rollback can do without.
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
      stable: The version that is trusted now.
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
        """The status to exit with: not 0 where the canary was not promoted."""
        return 0 if self.result in ("promoted", "rolled back") else 1

    def lines(self) -> list[str]:
        """The summary."""
        head = {
            "promoted": f"{self.name}: version {self.stable} is stable now",
            "rolled back": f"{self.name}: back to version {self.stable}",
            "went back": f"{self.name}: version {self.other} went back; {self.stable} stays stable",
            "given up": f"{self.name}: the release was given up",
        }[self.result]
        return [
            f"{head} ({self.seconds:.1f} s): {self.reason}",
            *(f"  {check.line()}" for check in self.checks),
        ]


def release(plan: Plan, percent: float, tell: Callable[[str], None]) -> Outcome:
    """Gives the newest version a share of the traffic, watches it, and decides.

    Args:
      plan: What to release.
      percent: The share.
      tell: Told of every step.

    Raises:
      ServingProblem: there is nothing to release, or server or proxy are away.
    """
    if not 0 < percent < 100:
        raise ServingProblem(
            "A canary needs a part of the traffic.",
            where="--canary",
            expected="more than 0 and less than 100 percent: the rest is compared with",
            received=f"{percent:g}",
        )
    if plan.proxy is None:
        raise ServingProblem("A canary is watched through a proxy.", where="--proxy")
    began = time.monotonic()
    with ServerView(plan.server, plan.proxy, plan.api_key) as view:
        traffic = Traffic(plan.place, view, plan.spec, tell)
        view.require(plan.place.name)
        before = traffic.release()
        stable, canary = choose(plan, before, traffic.current())
        running = Release(
            stable=stable,
            canary=canary,
            canary_percent=percent,
            previous=before.previous if before else None,
            rejected=before.rejected if before else (),
        )
        tell(f"{plan.place.name}: stable {stable}, canary {canary} with {percent:g} % of requests")
        result, reason, checks = _try(plan, traffic, before, running)
        outcome = Outcome(
            plan.place.name,
            result,
            canary if result == "promoted" else stable,
            stable if result == "promoted" else canary,
            reason,
            checks,
            time.monotonic() - began,
        )
    if result != "given up":
        _tell_mlflow(plan, outcome.stable, None, tell)
    return outcome


def choose(plan: Plan, before: Release | None, current: int | None) -> tuple[int, int]:
    """The version that is trusted, and the one to try.

    Raises:
      ServingProblem: there is no such pair, or a release is under way.
    """
    name, versions = plan.place.name, plan.place.versions()
    if before is not None and before.canary is not None:
        raise ServingProblem(
            f"A release of {name} is under way.",
            where=str(plan.place.releases),
            received=f"canary {before.canary} beside stable {before.stable}",
            fix=f"let it end, or `kelp rollback {name}`",
        )
    canary = versions[-1] if plan.version is None else plan.version
    stable = current
    if before is None and (stable is None or stable >= canary):
        # The server takes the newest by itself: what it had before is what is trusted.
        stable = max((one for one in versions if one < canary), default=None)
    if canary not in versions or stable not in versions or canary == stable:
        raise ServingProblem(
            f"There is no version of {name} to release.",
            where=str(plan.place.models_root / name),
            expected="a stable version and another, newer one",
            received=f"versions {', '.join(map(str, versions))}; stable {stable}",
            fix="kelp run CONFIG pushes a new version, if it is blessed",
        )
    if plan.version is None and (canary < stable or (before and canary in before.rejected)):
        raise ServingProblem(
            f"There is no new version of {name} to release.",
            where=str(plan.place.models_root / name),
            expected="a version that is newer than the stable one and was not tried yet",
            received=f"newest {canary}, stable {stable}",
            fix=f"--version {canary} tries it all the same",
        )
    return stable, canary


def _try(
    plan: Plan, traffic: Traffic, before: Release | None, running: Release
) -> tuple[Result, str, Sequence[Check]]:
    """Puts the canary before the traffic; whatever happens, it ends with one version."""
    assert running.canary is not None
    checks: Sequence[Check] = ()
    try:
        traffic.load([running.stable, running.canary])
        traffic.label({STABLE: running.stable, CANARY: running.canary})
        traffic.send(running)
        _tell_mlflow(plan, running.stable, running.canary, traffic.tell)
        good, reason, checks = _watch(plan, traffic, running)
    except ServingProblem as problem:
        good, reason = False, str(problem)
    except KeyboardInterrupt:
        good, reason = False, "interrupted"
    if traffic.release() not in (before, running):
        return "given up", "somebody else changed the release meanwhile", checks
    if good:
        promote(traffic, running)
        return "promoted", reason, checks
    go_back(traffic, running)
    return "went back", reason, checks


def _watch(plan: Plan, traffic: Traffic, running: Release) -> tuple[bool, str, Sequence[Check]]:
    """Looks until it is clear what to do: whether the canary is good, why, and the figures."""
    spec, name = plan.spec, plan.place.name
    began = time.monotonic()
    checks: Sequence[Check] = ()
    while True:
        time.sleep(spec.look_s)
        if traffic.release() != running:
            return False, "somebody else changed the release", checks
        passed = time.monotonic() - began
        page = traffic.view.figures(name)
        # A proxy that goes by another release tells of other requests.
        if page is not None and Release.model_validate(page["release"]) == running:
            checks = judge(page["labels"], spec.budget)
        over = [check for check in checks if check.state == "over"]
        if over:
            return False, f"{over[0].what}: {over[0].told}", checks
        waiting = [check.what for check in checks if check.state != "within"]
        if checks and not waiting and passed >= spec.watch_s:
            return True, f"it kept its budget for {passed:.0f} s", checks
        if passed >= spec.timeout_s:
            lacking = f": {', '.join(waiting)}" if waiting else ", and the proxy told nothing"
            return False, f"it had not shown itself good after {passed:.0f} s{lacking}", checks


def promote(traffic: Traffic, running: Release) -> None:
    """Makes the canary the stable version, and lets the old one go."""
    assert running.canary is not None
    traffic.label({STABLE: running.canary})
    traffic.send(Release(stable=running.canary, previous=running.stable, rejected=running.rejected))
    traffic.keep(running.canary)


def go_back(traffic: Traffic, running: Release) -> None:
    """Takes the traffic from the canary, then the canary itself."""
    assert running.canary is not None
    if traffic.view.labelled(traffic.place.name, STABLE) != running.stable:
        # The canary never came so far; the proxy sends everything to this label from now on.
        traffic.label({STABLE: running.stable})
    rejected = tuple(sorted({*running.rejected, running.canary}))
    traffic.send(Release(stable=running.stable, previous=running.previous, rejected=rejected))
    traffic.keep(running.stable)


def rollback(plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """Returns to the previous version; a canary that is on trial is taken back instead.

    Raises:
      ServingProblem: there is no version to return to, or it cannot be loaded.
    """
    began = time.monotonic()
    with ServerView(plan.server, plan.proxy, plan.api_key) as view:
        view.require(plan.place.name)
        traffic = Traffic(plan.place, view, plan.spec, tell)
        before = traffic.release()
        if before is not None and before.canary is not None and plan.version is None:
            go_back(traffic, before)
            stable, gone, reason = before.stable, before.canary, "the canary was taken back"
        else:
            stable, gone = _return(plan, traffic, before)
            reason = f"version {gone} lost its traffic"
        outcome = Outcome(
            plan.place.name, "rolled back", stable, gone, reason, (), time.monotonic() - began
        )
    _tell_mlflow(plan, stable, None, tell)
    return outcome


def _return(plan: Plan, traffic: Traffic, before: Release | None) -> tuple[int, int]:
    """Goes from the current version to the previous one, and gives both."""
    target, current = _previous(plan, before, traffic.current())
    canary = before.canary if before else None
    loaded = {target, current} | ({canary} if canary is not None else set())
    traffic.load(sorted(loaded))
    traffic.label({STABLE: target})
    rejected = {*(before.rejected if before else ()), current} - {target}
    traffic.send(Release(stable=target, rejected=tuple(sorted(rejected))))
    traffic.keep(target)
    traffic.wait_gone(current)
    return target, current


def _previous(plan: Plan, before: Release | None, current: int | None) -> tuple[int, int]:
    name, versions = plan.place.name, plan.place.versions()
    if current is None:
        raise ServingProblem(
            f"No version of {name} is served.",
            where=plan.server,
            expected="a version to return from",
            fix=f"GET {plan.server}/v1/models/{name} tells why",
        )
    told = plan.version if plan.version is not None else before.previous if before else None
    older = [one for one in versions if one < current]
    target = told if told is not None else max(older, default=None)
    if target is None or target not in versions or target == current:
        raise ServingProblem(
            f"There is no version of {name} to return to.",
            where=str(plan.place.models_root / name),
            expected=f"a version before {current}",
            received=f"versions {', '.join(map(str, versions))}",
        )
    return target, current


def _tell_mlflow(plan: Plan, stable: int, canary: int | None, tell: Callable[[str], None]) -> None:
    follow(plan.tracking_uri, plan.place.models_root / plan.place.name, stable, canary, tell)
