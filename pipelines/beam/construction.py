"""What Beam does again for each step of a pipeline, done once.

Beam asks for a view of its options several times a step, and builds the parser of that view's
command line each time; it also asks each function of a step for its parameters, for steps that
keep a state, several times. Both are always the same: together they took two fifths of the
time in which a component of TFX constructs its pipeline and the worker in this process starts
it.

That worker also keeps what steps read beside their input, up to so many bytes, and goes over all
modules that are imported to count those of each value: three milliseconds for a few bytes.
"""

from __future__ import annotations

import copy
import functools
import types
from typing import Any

Specs = tuple[set[Any], set[Any]]


@functools.cache
def quicken_construction() -> None:
    """Lets Beam keep both, and read again what its worker in this process would weigh and keep."""
    from apache_beam.options import pipeline_options
    from apache_beam.runners.portability.fn_api_runner import worker_handlers
    from apache_beam.transforms import userstate

    pipeline_options.PipelineOptions.view_as = _view_as_once(pipeline_options.PipelineOptions)
    userstate.get_dofn_specs = _specs_once(userstate.get_dofn_specs)
    worker_handlers.STATE_CACHE_SIZE_MB = 0


def _view_as_once(base: Any) -> Any:
    """Gives `PipelineOptions.view_as` with parsed values that are kept by class and flags."""
    original = base.view_as

    @functools.lru_cache(maxsize=256)
    def parsed(cls: Any, flags: tuple[str, ...]) -> types.SimpleNamespace:
        return types.SimpleNamespace(**vars(cls(list(flags))._visible_options))

    @functools.wraps(original)
    def view_as(self: Any, cls: Any) -> Any:
        if self._flags is None or cls.__init__ is not base.__init__:
            return original(self, cls)
        values = parsed(cls, tuple(self._flags))
        for name, value in vars(values).items():
            if name not in self._all_options:
                # Lists are filled in place, and by all views of these options.
                self._all_options[name] = copy.deepcopy(value)
        view = cls.__new__(cls)
        view._flags, view._visible_options = self._flags, values
        view._all_options = self._all_options
        return view

    return view_as


def _specs_once(original: Any) -> Any:
    """Gives `get_dofn_specs` with results that are kept by class."""
    kept: dict[type, Specs] = {}

    @functools.wraps(original)
    def get_dofn_specs(dofn: Any) -> Specs:
        if any(isinstance(value, types.MethodType) for value in vars(dofn).values()):
            own: Specs = original(dofn)  # others of its class do not have this method
            return own
        if type(dofn) not in kept:
            kept[type(dofn)] = original(dofn)
        states, timers = kept[type(dofn)]
        return set(states), set(timers)

    return get_dofn_specs
