"""What Beam is spared gives what Beam gives without it."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.options import pipeline_options
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, SetupOptions
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.worker import statecache
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import userstate
from apache_beam.transforms.userstate import CombiningValueStateSpec, ReadModifyWriteStateSpec

from pipelines.beam.construction import quicken_construction

COUNT = CombiningValueStateSpec("count", VarIntCoder(), sum)


class Counted(beam.DoFn):
    def process(self, element: object, count: object = beam.DoFn.StateParam(COUNT)) -> None:
        del element, count


class Twice(beam.DoFn):
    def process(
        self,
        element: object,
        first: object = beam.DoFn.StateParam(COUNT),
        second: object = beam.DoFn.StateParam(COUNT),
    ) -> None:
        del element, first, second


class Method:
    def take(
        self,
        element: object,
        last: object = beam.DoFn.StateParam(ReadModifyWriteStateSpec("last", VarIntCoder())),
    ) -> object:
        del last
        return element


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Beam as it is after `quicken_construction`, for this test alone."""
    monkeypatch.setattr(PipelineOptions, "view_as", PipelineOptions.view_as)
    monkeypatch.setattr(userstate, "get_dofn_specs", userstate.get_dofn_specs)
    monkeypatch.setattr(worker_handlers, "STATE_CACHE_SIZE_MB", 100)
    quicken_construction.cache_clear()
    quicken_construction()
    yield
    quicken_construction.cache_clear()


def test_a_view_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsers = []

    class Parser(pipeline_options._BeamArgumentParser):
        def __init__(self, **settings: bool) -> None:
            parsers.append(self)
            super().__init__(**settings)

    options = PipelineOptions(["--direct_num_workers=3"])
    monkeypatch.setattr(pipeline_options, "_BeamArgumentParser", Parser)
    assert [options.view_as(DirectOptions).direct_num_workers for _ in range(4)] == [3] * 4
    assert len(parsers) <= 1


def test_views_share_what_is_set_and_other_options_do_not() -> None:
    options, other = (PipelineOptions(["--direct_num_workers=3"]) for _ in range(2))
    options.view_as(DirectOptions).direct_num_workers = 5
    options.view_as(SetupOptions).beam_plugins = ["mine"]
    assert options.view_as(DirectOptions).direct_num_workers == 5
    assert options.view_as(SetupOptions).beam_plugins == ["mine"]
    assert other.view_as(DirectOptions).direct_num_workers == 3
    assert other.view_as(SetupOptions).beam_plugins != ["mine"]
    with pytest.raises(AttributeError, match="no_such_option"):
        _ = options.view_as(DirectOptions).no_such_option


def test_a_list_that_is_filled_in_place_is_not_that_of_other_options() -> None:
    flags = ["--experiments=one"]
    options, other = PipelineOptions(flags), PipelineOptions(flags)
    options.view_as(pipeline_options.DebugOptions).experiments.append("two")
    assert options.view_as(pipeline_options.DebugOptions).experiments == ["one", "two"]
    assert other.view_as(pipeline_options.DebugOptions).experiments == ["one"]


def test_a_step_that_keeps_a_state_is_known_as_one() -> None:
    for _ in range(2):
        assert userstate.get_dofn_specs(Counted()) == ({COUNT}, set())
        assert userstate.is_stateful_dofn(Counted())
        assert not userstate.is_stateful_dofn(beam.DoFn())


def test_a_step_with_one_state_twice_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="duplicate process"):
            userstate.get_dofn_specs(Twice())


def test_a_step_made_of_a_method_is_looked_at_by_itself() -> None:
    plain = beam.ParDo(beam.core.CallableWrapperDoFn(lambda element: [element])).fn
    ours = beam.core.CallableWrapperDoFn(Method().take)
    assert not userstate.is_stateful_dofn(plain)
    assert userstate.is_stateful_dofn(ours)
    assert not userstate.is_stateful_dofn(plain)


def test_what_steps_read_from_the_side_is_not_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed = []
    monkeypatch.setattr(statecache, "get_deep_size", lambda *given: weighed.append(given) or 1)

    def add(element: int, every: list[int], names: dict[str, int], one: int) -> int:
        return element + sum(every) + sum(names.values()) + one

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        numbers = pipeline | beam.Create([1, 2, 3])
        total = numbers | beam.CombineGlobally(sum)
        named = numbers | "name" >> beam.Map(lambda number: (str(number), number))
        added = numbers | "add" >> beam.Map(
            add,
            beam.pvalue.AsList(numbers),
            beam.pvalue.AsDict(named),
            beam.pvalue.AsSingleton(total),
        )
        assert_that(added, equal_to([19, 20, 21]))
    assert weighed == []
