import gc
import weakref
from collections.abc import Iterator

import pytest

from models.processes.garbage import collect_seldom, prompt_collection


class _Graph:
    """A graph whose nodes know it: dropped, it is a cycle."""

    def __init__(self) -> None:
        self.nodes = [{"of": self} for _ in range(1000)]


@pytest.fixture
def _frozen() -> Iterator[None]:
    """As in a process that a component starts: imports are left out."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _most_alive() -> int:
    kept: list[weakref.ref[_Graph]] = []
    most = 0
    for _ in range(30):
        graph = _Graph()
        gc.collect(1)  # it is old when it is dropped, as after a pass over a large graph
        kept.append(weakref.ref(graph))
        del graph
        most = max(most, sum(graph() is not None for graph in kept))
    gc.collect()
    return most


@pytest.fixture
def _seldom() -> Iterator[None]:
    """As in a process of a run."""
    before = gc.get_threshold()
    collect_seldom()
    yield
    gc.set_threshold(*before)


def _new_passes(objects: int) -> int:
    """How often the collector has looked at new objects while so many were made."""
    before = gc.get_stats()[0]["collections"]
    kept = [[] for _ in range(objects)]
    del kept
    return gc.get_stats()[0]["collections"] - before


@pytest.mark.usefixtures("_seldom")
def test_the_collector_looks_less_often_than_pythons() -> None:
    seldom = _new_passes(50_000)
    gc.set_threshold(700, 10, 10)
    assert 1 <= seldom < _new_passes(50_000) / 5


@pytest.mark.usefixtures("_frozen", "_seldom")
def test_dropped_graphs_do_not_pile_up() -> None:
    assert _most_alive() > 8
    with prompt_collection():
        assert _most_alive() < 5


def test_the_collector_is_left_as_it_was() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="no"), prompt_collection():
        raise ValueError("no")
    assert gc.get_threshold() == before
