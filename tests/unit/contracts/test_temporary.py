"""A temporary folder goes with its process, and soon after it where that was killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from contracts.temporary import TemporaryFolder, remove_abandoned, temporary_files_apart

# A process with a folder, and one that it has forked.
WORKING = """
import os, time
from contracts.temporary import TemporaryFolder
folder = TemporaryFolder()
(folder.path / "shard").write_text("half")
child = os.fork()
if child:
    print(child, folder.path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def _make_older(folder):
    before = time.time() - 3600
    os.utime(folder, (before, before))


def test_a_folder_is_removed_with_what_is_in_it(place):
    folder = TemporaryFolder()
    (folder.path / "deep").mkdir()
    (folder.path / "deep" / "shard").write_text("")
    assert folder.path.parent == place
    folder.close()
    assert list(place.iterdir()) == []


def test_what_killed_processes_left_is_removed_once_all_of_them_have_ended(place):
    command = [sys.executable, "-c", WORKING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        child, path = process.stdout.readline().split()
        _make_older(path)
        process.kill()
        process.wait()
        remove_abandoned(place)
        assert (Path(path) / "shard").exists()
        os.kill(int(child), signal.SIGKILL)
        process.stdout.read()  # ends with the last of them
    _make_older(path)
    TemporaryFolder().close()
    assert list(place.iterdir()) == []


def test_no_other_folder_is_removed(place):
    used = TemporaryFolder()
    (place / "kelp-job-abcdefgh").mkdir()  # just made: its lock may follow
    for name in ("kelp-job-longer-than-ours", "kelp-abcdefgh", "target"):
        (place / name).mkdir()
    (place / "kelp-job-12345678").symlink_to(place / "target")
    before = sorted(place.iterdir())
    for folder in set(before) - {place / "kelp-job-abcdefgh"}:
        _make_older(folder)
    remove_abandoned(place)
    assert sorted(place.iterdir()) == before
    used.close()


def test_temporary_files_are_apart_for_a_while(place):
    with temporary_files_apart():
        Path(tempfile.mkdtemp(), "__autograph_generated_file.pyc").write_text("")
        command = "import tempfile; print(tempfile.gettempdir())"
        printed = subprocess.check_output([sys.executable, "-c", command], text=True)
        assert Path(printed.strip()).parent == place
    assert list(place.iterdir()) == []
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(place)
