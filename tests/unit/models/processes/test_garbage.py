import gc
import weakref
from collections.abc import Iterator

import pytest

from models.processes.garbage import prompt_collection


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


@pytest.mark.usefixtures("_frozen")
def test_dropped_graphs_do_not_pile_up() -> None:
    assert _most_alive() > 8
    with prompt_collection():
        assert _most_alive() < 5


def test_the_collector_is_left_as_it_was() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="no"), prompt_collection():
        raise ValueError("no")
    assert gc.get_threshold() == before
