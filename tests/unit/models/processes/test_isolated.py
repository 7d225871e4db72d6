import faulthandler
import io
import os
import sys
import tempfile
import time
import types
from pathlib import Path

import pytest

from contracts.errors import DataError, ModelError
from models.processes.isolated import call

HERE = "tests.unit.models.processes.test_isolated"


def double(request):
    return {"twice": 2 * request["number"], "python": sys.executable, "process": os.getpid()}


def threads(_):
    return {"threads": os.environ.get("TF_NUM_INTRAOP_THREADS")}


def imported(_):
    return {"tensorflow": "tensorflow" in sys.modules, "argument": os.environ.get("ASKED_FOR")}


def crash(_):
    print("about to break")
    print("E0000 00:00:1795356124.748182   18516 cuda_platform.cc:52] failed call to cuInit")
    sys.stdout.flush()
    # pytest's own handler would write a trace into the log of the tests.
    faulthandler.disable()
    os.abort()


def leave(request):
    Path(request["file"]).write_text(tempfile.mkdtemp())
    os._exit(1)


def refuse(_):
    raise DataError("no rows", where="somewhere", fix="bring some")


def stumble(_):
    raise ValueError("unexpected")


def hang(request):
    Path(request["file"]).write_text(str(os.getpid()))
    time.sleep(600)


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    """The functions here can be imported by the processes, wherever pytest runs."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))


def test_a_function_runs_in_another_process():
    given = call(f"{HERE}:double", {"number": 21}, timeout_s=300, what="doubling")
    assert given["twice"] == 42
    assert given["process"] != os.getpid()
    assert given["python"] == sys.executable


def test_threads_are_limited_where_asked():
    assert call(f"{HERE}:threads", {}, timeout_s=300, what="x", threads=1) == {"threads": "1"}


def test_only_a_bare_process_comes_without_tensorflow(monkeypatch):
    monkeypatch.setenv("ASKED_FOR", "now")
    forked = call(f"{HERE}:imported", {}, timeout_s=300, what="x")
    bare = call(f"{HERE}:imported", {}, timeout_s=300, what="x", bare=True)
    assert forked == {"tensorflow": True, "argument": "now"}
    assert bare == {"tensorflow": False, "argument": "now"}


@pytest.mark.parametrize("bare", [False, True])
def test_a_crash_becomes_an_error_with_the_end_of_the_log(bare):
    with pytest.raises(ModelError, match="the conversion failed in its process") as caught:
        call(f"{HERE}:crash", {}, timeout_s=300, what="the conversion", bare=bare)
    assert caught.value.received.startswith("signal 6, a crash")
    assert caught.value.received.endswith("about to break")


def test_the_log_is_kept_where_the_asker_has_other_streams(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    monkeypatch.delitem(sys.modules, "tensorflow.python.eager.context", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(ModelError) as caught:
        call(f"{HERE}:crash", {}, timeout_s=300, what="the conversion")
    assert "about to break" in caught.value.received


def test_an_error_of_ours_comes_through_as_it_is():
    with pytest.raises(DataError) as caught:
        call(f"{HERE}:refuse", {}, timeout_s=300, what="reading")
    assert (caught.value.where, caught.value.fix) == ("somewhere", "bring some")


def test_any_other_exception_is_reported_with_its_message():
    with pytest.raises(ModelError) as caught:
        call(f"{HERE}:stumble", {}, timeout_s=300, what="reading")
    assert "exit status 1" in caught.value.received
    assert "ValueError: unexpected" in caught.value.received


@pytest.mark.parametrize("bare", [False, True])
def test_temporary_files_go_with_a_process_that_dies(tmp_path, bare):
    file = tmp_path / "place"
    with pytest.raises(ModelError, match="failed in its process"):
        call(f"{HERE}:leave", {"file": str(file)}, timeout_s=300, what="x", bare=bare)
    folder = Path(file.read_text()).parent
    assert folder.parent == Path(tempfile.gettempdir())
    assert not folder.exists()


@pytest.mark.parametrize("bare", [False, True])
def test_a_process_that_takes_too_long_is_killed(tmp_path, bare):
    file = tmp_path / "pid"
    call(f"{HERE}:double", {"number": 1}, timeout_s=300, what="importing TensorFlow")
    with pytest.raises(ModelError, match="took too long"):
        call(f"{HERE}:hang", {"file": str(file)}, timeout_s=6, what="waiting", bare=bare)
    assert file.is_file(), "the process had not started yet"
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)
