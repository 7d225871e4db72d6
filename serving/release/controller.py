"""`kelp release` and `kelp rollback`: a canary is watched, and its traffic goes on or back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from contracts.errors import EnvironmentProblem, KelpError
from serving.release.judge import Check, judge
from serving.release.moves import (
    NotRestored,
    after_promotion,
    after_return,
    go_back,
    move_all,
    promote,
    restoring,
    try_canary,
    update_mlflow,
)
from serving.release.plan import Outcome, Plan, Result
from serving.release.server_view import ServerView
from serving.release.state import Release
from serving.release.traffic import BrokenVersion, Traffic


def release(plan: Plan, percent: float, tell: Callable[[str], None]) -> Outcome:
    """Gives the newest version a share of the traffic, watches it, and decides.

    Args:
      plan: What to release.
      percent: The share.
      tell: Gets every step.

    Raises:
      KelpError: there is nothing to release, or server or proxy are away.
    """
    if not 0 < percent < 100:
        raise EnvironmentProblem(
            "A canary needs a part of the traffic.",
            where="--canary",
            expected="more than 0 and less than 100 percent: the rest is compared with",
            received=f"{percent:g}",
        )
    if plan.proxy is None:
        raise EnvironmentProblem("A canary is watched through a proxy.", where="--proxy")
    began = time.monotonic()
    with ServerView(plan.server, plan.proxy, plan.api_key) as view:
        traffic = Traffic(plan.place, view, plan.spec, tell)
        view.require(plan.place.name)
        before, current = traffic.release(), traffic.current()
        stable, canary = choose(plan, before, traffic.trusted())
        running = Release(
            stable=stable,
            canary=canary,
            canary_percent=percent,
            previous=before.previous if before else None,
            rejected=before.rejected if before else (),
        )
        tell(f"{plan.place.name}: stable {stable}, canary {canary} with {percent:g} % of requests")
        result, reason, checks = _try(plan, traffic, running)
    takes = {"promoted": canary, "failed": stable if current is None else current}
    outcome = Outcome(
        plan.place.name,
        result,
        takes.get(result, stable),
        stable if result == "promoted" else canary,
        reason,
        checks,
        time.monotonic() - began,
    )
    if result in ("promoted", "went back"):
        update_mlflow(plan, outcome.stable, None, tell)
    return outcome


def release_at_once(plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """Gives a version all traffic: a model's first one, or one that needs no trial.

    From then on, what is pushed is served when it is released.

    Args:
      plan: What to release.
      tell: Gets every step.

    Raises:
      KelpError: there is no such version, it cannot be loaded, or it is stable already.
    """
    began, name = time.monotonic(), plan.place.name
    with ServerView(plan.server, plan.proxy, plan.api_key) as view:
        view.require(name)
        traffic = Traffic(plan.place, view, plan.spec, tell)
        before, current = traffic.release(), traffic.current()
        _refuse_second(plan, before)
        versions = plan.place.versions()
        target = versions[-1] if plan.version is None else plan.version
        if target not in versions or (before is not None and before.stable == target):
            raise EnvironmentProblem(
                f"There is no version of {name} to release.",
                where=str(plan.place.models_root / name),
                expected="a version that is not stable yet",
                received=f"version {target} of {_listed(versions)}; stable: {_known(current)}",
                fix="kelp run CONFIG pushes a new version, if it is blessed",
            )
        other = current if current != target else None
        after = Release(
            stable=target,
            previous=other if other is not None else before.previous if before else None,
            rejected=tuple(one for one in (before.rejected if before else ()) if one != target),
        )
        tell(f"{name}: all requests to version {target}")
        with restoring(plan, traffic, target if current is None else current, [after]):
            move_all(traffic, target, current, None, after)
        _wait_gone(traffic, other)
    update_mlflow(plan, target, None, tell)
    reason = f"version {other} lost its traffic" if other is not None else "nothing else did"
    passed = time.monotonic() - began
    return Outcome(name, "released", target, other, reason, (), passed)


def choose(plan: Plan, before: Release | None, trusted: int | None) -> tuple[int, int]:
    """The version that is trusted, and the one to try.

    Args:
      plan: What to release.
      before: The release that there is.
      trusted: The version that is stable already; None for none.

    Raises:
      KelpError: there is no such pair, or a release is under way.
    """
    name, versions = plan.place.name, plan.place.versions()
    _refuse_second(plan, before)
    canary = versions[-1] if plan.version is None else plan.version
    stable = trusted
    if stable is None:
        # The server takes the newest by itself: what it had before is what is trusted.
        stable = max((one for one in versions if one < canary), default=None)
    if canary not in versions or stable not in versions or canary == stable:
        raise EnvironmentProblem(
            f"There is no version of {name} to release.",
            where=str(plan.place.models_root / name),
            expected="a stable version and another, newer one",
            received=f"versions {_listed(versions)}; stable: {_known(stable)}",
            fix="kelp run CONFIG pushes a new version, if it is blessed; "
            f"`kelp release {name} --at-once` has no canary",
        )
    if plan.version is None and (canary < stable or (before and canary in before.rejected)):
        raise EnvironmentProblem(
            f"There is no new version of {name} to release.",
            where=str(plan.place.models_root / name),
            expected="a version that is newer than the stable one and was not tried yet",
            received=f"newest {canary}, stable {stable}",
            fix=f"--version {canary} tries it all the same",
        )
    return stable, canary


def _refuse_second(plan: Plan, before: Release | None) -> None:
    if before is not None and before.canary is not None:
        raise EnvironmentProblem(
            f"A release of {plan.place.name} is under way.",
            where=str(plan.place.releases),
            received=f"canary {before.canary} beside stable {before.stable}",
            fix=f"let it end, or `kelp rollback {plan.place.name}`",
        )


def _try(plan: Plan, traffic: Traffic, running: Release) -> tuple[Result, str, Sequence[Check]]:
    """Puts the canary before the traffic; whatever happens, it ends with one version."""
    before = traffic.release()
    steps = [running, after_promotion(running), after_return(running)]
    try:
        with restoring(plan, traffic, running.stable, steps):
            good, reason, checks = _trial(plan, traffic, running)
            if traffic.release() not in (before, running):
                return "given up", "somebody else changed the release meanwhile", checks
            if good:
                promote(traffic, running)
                return "promoted", reason, checks
            go_back(traffic, running)
            return "went back", reason, checks
    except NotRestored as failure:
        return "not restored", str(failure), ()
    except (KelpError, KeyboardInterrupt) as failure:
        if traffic.release() != before:
            return "given up", "somebody else changed the release meanwhile", ()
        return "failed", str(failure) or "interrupted", ()


def _trial(plan: Plan, traffic: Traffic, running: Release) -> tuple[bool, str, Sequence[Check]]:
    """Whether the canary is good, why, and the figures."""
    try:
        try_canary(plan, traffic, running)
    except BrokenVersion as problem:
        return False, str(problem), ()
    return _watch(plan, traffic, running)


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
            return False, f"{over[0].what}: {over[0].comparison}", checks
        waiting = [check.what for check in checks if check.state != "within"]
        if checks and not waiting and passed >= spec.watch_s:
            return True, f"it kept its budget for {passed:.0f} s", checks
        if passed >= spec.timeout_s:
            lacking = f": {', '.join(waiting)}" if waiting else ", and the proxy reported nothing"
            return False, f"it had not shown itself good after {passed:.0f} s{lacking}", checks


def rollback(plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """Returns to the previous version; a canary that is on trial is taken back instead.

    Raises:
      KelpError: there is no version to return to, or it cannot be loaded.
    """
    began = time.monotonic()
    with ServerView(plan.server, plan.proxy, plan.api_key) as view:
        view.require(plan.place.name)
        traffic = Traffic(plan.place, view, plan.spec, tell)
        before = traffic.release()
        if before is not None and before.canary is not None and plan.version is None:
            stable, gone, reason = before.stable, before.canary, "the canary was taken back"
            with restoring(plan, traffic, stable, [after_return(before)]):
                go_back(traffic, before)
        else:
            stable, gone = _return(plan, traffic, before)
            reason = f"version {gone} lost its traffic"
    update_mlflow(plan, stable, None, tell)
    passed = time.monotonic() - began
    return Outcome(plan.place.name, "rolled back", stable, gone, reason, (), passed)


def _return(plan: Plan, traffic: Traffic, before: Release | None) -> tuple[int, int]:
    """Goes from the current version to the previous one, and gives both."""
    target, current = _previous(plan, before, traffic.current())
    rejected = {*(before.rejected if before else ()), current} - {target}
    after = Release(stable=target, rejected=tuple(sorted(rejected)))
    with restoring(plan, traffic, current, [after]):
        move_all(traffic, target, current, before.canary if before else None, after)
    _wait_gone(traffic, current)
    return target, current


def _wait_gone(traffic: Traffic, version: int | None) -> None:
    """Waits until a version without traffic is unloaded; that it is late fails nothing."""
    if version is None:
        return
    try:
        traffic.wait_gone(version)
    except KelpError as problem:
        traffic.tell(f"warning: version {version} has no traffic and is still loaded: {problem}")


def _previous(plan: Plan, before: Release | None, current: int | None) -> tuple[int, int]:
    name, versions = plan.place.name, plan.place.versions()
    if current is None:
        raise EnvironmentProblem(
            f"No version of {name} is served.",
            where=plan.server,
            expected="a version to return from",
            fix=f"GET {plan.server}/v1/models/{name} tells why",
        )
    wanted = plan.version if plan.version is not None else before.previous if before else None
    older = [one for one in versions if one < current]
    target = wanted if wanted is not None else max(older, default=None)
    if target is None or target not in versions or target == current:
        raise EnvironmentProblem(
            f"There is no version of {name} to return to.",
            where=str(plan.place.models_root / name),
            expected=f"a version before {current}",
            received=f"versions {_listed(versions)}",
        )
    return target, current


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions))


def _known(version: int | None) -> str:
    return "none yet" if version is None else str(version)
