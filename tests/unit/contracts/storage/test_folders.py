"""Folders in a bucket: whole or not there, for readers, after kills and at the second time."""

import threading
from pathlib import Path

import pytest

from contracts.storage import filesystem, folders
from contracts.storage.errors import StorageProblem
from contracts.storage.folders import (
    MARKER,
    Manifest,
    list_published,
    publish,
    read_marker,
    remove_published,
)
from contracts.storage.location import parse_location
from contracts.storage.objects import find_file, list_files, read_bytes, write_bytes
from contracts.storage.staging import (
    local_place,
    publish_staged,
    remote_place,
    stage,
)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "data").write_bytes(b"weights" * 100)
    (folder / "empty").write_bytes(b"")
    return folder


@pytest.fixture
def place(bucket):
    return parse_location(f"s3://{bucket}/models/m")


def _tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_a_folder_comes_back_as_it_was_with_its_empty_folders(model, place):
    publish(model, place / "1")
    assert _tree(stage(str(place / "1"))) == _tree(model)
    assert list_published(place) == ["1"]


def test_the_marker_comes_last_and_before_it_what_others_watch_for(model, place, monkeypatch):
    written = []
    copy, write = folders.copy_up, folders.write_bytes
    monkeypatch.setattr(
        folders, "copy_up", lambda path, at: (written.append(at.name), copy(path, at))[1]
    )
    monkeypatch.setattr(
        folders, "write_bytes", lambda at, content: (written.append(at.name), write(at, content))[1]
    )
    publish(model, place / "1", last=("saved_model.pb",))
    assert written[-2:] == ["saved_model.pb", MARKER]
    assert sorted(written[:-2]) == ["data", "empty"]


@pytest.mark.parametrize("copies", [0, 1, 2, 3])
def test_what_is_killed_between_two_files_is_not_seen(copies, model, place, monkeypatch):
    """KeyboardInterrupt stands for the kill: nothing after it runs."""
    left, copy = [copies], folders.copy_up

    def dies(path, at):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        copy(path, at)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "copy_up", dies)
        patch.setattr(folders, "_THREADS", 1)
        if copies < 3:
            with pytest.raises(KeyboardInterrupt):
                publish(model, place / "1")
        else:
            patch.setattr(folders, "write_bytes", dies)
            with pytest.raises(KeyboardInterrupt):
                publish(model, place / "1")
    assert list_published(place) == []
    assert read_marker(place / "1") is None
    with pytest.raises(StorageProblem, match="no whole folder"):
        stage(str(place / "1"))
    publish(model, place / "1")
    assert _tree(stage(str(place / "1"))) == _tree(model)


def test_a_reader_beside_a_writer_sees_one_of_the_whole_folders_or_none(tmp_path, place):
    contents = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in range(4):
            (folder / f"{name}").write_bytes(b"%d" % number * 10)
        contents.append(folder)
    done = threading.Event()

    def write():
        for turn in range(6):
            publish(contents[turn % 2], place / "1")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        try:
            folder = stage(str(place / "1"))
        except StorageProblem:
            seen.add(None)
        else:
            seen.add(b"".join(sorted(_tree(folder).values())))
    writer.join()
    assert seen <= {None, b"0" * 40, b"1" * 40}
    assert _tree(stage(str(place / "1"))) == _tree(contents[1])


def test_a_folder_that_is_published_again_loses_what_it_had_before(model, place):
    publish(model, place / "1")
    first = stage(str(place / "1"))
    (model / "empty").unlink()
    (model / "variables" / "data").write_bytes(b"other")
    publish(model, place / "1")
    assert first == stage(str(place / "1"))
    assert _tree(first) == _tree(model)


def test_a_staged_folder_is_not_copied_again(model, place, monkeypatch):
    publish(model, place / "1")
    stage(str(place / "1"))
    monkeypatch.setattr(folders, "_copy_down", lambda *_: pytest.fail("copied again"))
    stage(str(place / "1"))


def test_a_copy_serves_while_the_server_does_not_answer(model, place, monkeypatch):
    publish(model, place / "1")
    monkeypatch.setattr(filesystem, "_ATTEMPTS", 1)
    before = stage(str(place / "1"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert stage(str(place / "1")) == before
    with pytest.raises(StorageProblem, match="does not answer"):
        stage(str(place / "2"))


def test_what_this_machine_wrote_is_not_copied_back(place, monkeypatch):
    url = str(place / "1")
    folder = local_place(url)
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"x")
    publish_staged(url)
    monkeypatch.setattr(folders, "_copy_down", lambda *_: pytest.fail("copied back"))
    assert stage(url) == folder
    assert remote_place(folder / "file") == f"{url}/file"


def test_where_copies_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("KELP_STAGING", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert local_place("s3://bucket/key") == tmp_path / "kelp/staging/s3/bucket/key"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert local_place("gs://b-1/k") == tmp_path / "home/.cache/kelp/staging/gs/b-1/k"

    def homeless():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert remote_place("runs") == "runs"
    assert local_place("gs://b-1/k") == Path("/var/tmp/kelp/staging/gs/b-1/k")


def test_objects_that_stand_for_folders_are_no_files(place, object_store):
    client = object_store.client()
    for key in ("models/", "models/m/", "models/m/1/", "models/m/x_$folder$"):
        client.put_object(Bucket=place.bucket, Key=key, Body=b"")
    assert list_files(place) == []
    assert list_published(place) == []
    assert find_file(place / "1") is None
    write_bytes(place / "file", b"")
    assert [file.location for file in list_files(place)] == [place / "file"]


def test_an_object_that_was_changed_since_is_refused(model, place):
    publish(model, place / "1")
    write_bytes(place / "1" / "saved_model.pb", b"graf!")
    with pytest.raises(StorageProblem, match="not the one that was published"):
        stage(str(place / "1"))
    assert not local_place(str(place / "1")).exists()


def test_a_marker_cannot_name_files_elsewhere(model, place):
    publish(model, place / "1")
    write_bytes(place / "1" / MARKER, Manifest({"../../x": (1, "0")}).to_bytes())
    with pytest.raises(StorageProblem, match="outside its folder"):
        stage(str(place / "1"))
    write_bytes(place / "1" / MARKER, b"[]")
    with pytest.raises(StorageProblem, match="broken"):
        stage(str(place / "1"))


def test_a_removed_folder_is_gone(model, place):
    publish(model, place / "1")
    remove_published(place / "1")
    assert list_files(place) == []
    with pytest.raises(StorageProblem, match="no such object"):
        read_bytes(place / "1" / "saved_model.pb")
