"""What all tests of a process share: an object store, a fork server, folders."""

import gc
import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

from contracts.spared_imports import spare_imports
from contracts.temporary import temporary_files_apart
from models.processes import isolated
from models.processes.garbage import collect_seldom
from pipelines.execution import worker
from tests.fixtures.forked import fork_server, session_id, share_python_server
from tests.fixtures.object_store import bucket, object_store

__all__ = ["bucket", "object_store"]


def pytest_configure(config: pytest.Config) -> None:
    """The processes of the tests import what those of Kelp import.

    Python has one fork server for a process, whose imports the first who starts it chooses:
    here, other than in a run, both nodes and conversions may.

    An example of a property may take long: on a busy machine any of them does.
    """
    gc.disable()
    settings.register_profile("kelp", deadline=None)
    settings.load_profile("kelp")
    spare_imports()
    isolated.IMPORTED = worker._PRELOADED = (*worker._PRELOADED, *isolated.IMPORTED)
    if "PYTEST_XDIST_WORKER" in os.environ:
        share_python_server()
    elif config.getoption("testrunuid", None) is None:
        config.option.testrunuid = session_id()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: Sequence[Any]) -> None:
    """Forks the test processes from one that has imported what most tests import."""
    if len(specs) > 1:
        for spec in specs:
            spec.python = shlex.quote(str(fork_server().stand_in))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Has one process compile the test modules: after it, the others find that done."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    folder = fork_server().folder
    with FileLock(folder / "collection.lock"):
        if not (folder / "collected").exists():
            (yield)
            (folder / "collected").touch()
            return None
    return (yield)


def pytest_collection_finish() -> None:
    """Ends what `pytest_configure` began: what was imported is never garbage."""
    gc.freeze()
    collect_seldom()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What libraries leave in the temporary folder goes with this process, pytest's folders not."""
    tmp_path_factory.getbasetemp()
    get_temp_dir()  # multiprocessing removes it itself, at the end
    with temporary_files_apart():
        Path(tempfile.gettempdir()).chmod(0o711)  # PostgreSQL has a user of its own
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all test processes of this session."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "shared"
