"""What is imported for good is not gone over by the garbage collector."""

import gc

import pytest

from pipelines.execution.lasting_imports import lasting_imports


@pytest.fixture(autouse=True)
def _enabled():
    yield
    gc.enable()


def test_imports_are_kept_out_of_collections():
    with lasting_imports():
        assert not gc.isenabled()
        imported = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(imported)


def test_an_import_that_fails_leaves_the_collector_as_it_was():
    imported, before = [], gc.get_freeze_count()

    def fail():
        imported.extend([] for _ in range(1000))
        raise ImportError

    with pytest.raises(ImportError), lasting_imports():
        fail()
    assert gc.isenabled()
    assert gc.get_freeze_count() < before + len(imported)


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    with lasting_imports():
        pass
    assert not gc.isenabled()
