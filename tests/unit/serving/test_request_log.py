from __future__ import annotations

import fcntl
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import KelpError
from contracts.prediction_log import LoggedRequest, from_record, to_record
from contracts.tfrecord import frame, read_records, whole_bytes
from serving.codec.signature import Port, Signature
from serving.request_log import files as files_module
from serving.request_log import log as log_module
from serving.request_log.config import RequestLogSpec
from serving.request_log.files import LogFiles, log_files
from serving.request_log.log import RequestLog
from serving.request_log.warm_up import read_log, write_warm_up


def _text(*values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _request(number=0, name="m"):
    return LoggedRequest(
        name=name,
        version=3,
        signature="serving_default",
        inputs={
            "age": np.array([number, np.nan], np.float32),
            "person": _text(b"Ada", b"\xff\x00"),
            "flags": np.array([[1, 2], [3, 4]], np.int64),
        },
        outputs={"scores": np.array([0.25, 0.5], np.float32), "ok": np.array([True, False])},
    )


def _spec(folder, **changes):
    return RequestLogSpec(folder=folder, **{"sample": 1, **changes})


def _equal(left, right):
    assert (left.name, left.version, left.signature) == (right.name, right.version, right.signature)
    for ours, theirs in ((left.inputs, right.inputs), (left.outputs, right.outputs)):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_request_comes_back_from_its_record():
    _equal(from_record(to_record(_request(7), frozenset(), 1, 0)), _request(7))


@pytest.mark.parametrize(
    "dtype", ["float64", "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float16"]
)
def test_every_type_of_number_comes_back(dtype):
    column = np.arange(6, dtype=dtype).reshape(3, 2)
    request = LoggedRequest("m", 1, "s", {"x": column}, {"y": np.array(2, dtype)})
    _equal(from_record(to_record(request, frozenset(), 1, 0)), request)


def test_sensitive_columns_are_nowhere_in_the_file(tmp_path):
    log = RequestLog(_spec(tmp_path, leave_out=("person", "scores")))
    log.offer(_request())
    log.close()
    (path,) = log_files(tmp_path, "m")
    content = path.read_bytes()
    assert b"Ada" not in content
    assert b"person" not in content
    (read,) = read_log([path])
    assert sorted(read.inputs) == ["age", "flags"]
    assert sorted(read.outputs) == ["ok"]


def test_counts_are_exact_while_the_queue_is_full(tmp_path, monkeypatch):
    began, go_on = threading.Event(), threading.Event()

    def slow(*arguments):
        began.set()
        assert go_on.wait(60)
        return to_record(*arguments)

    monkeypatch.setattr(log_module, "to_record", slow)
    log = RequestLog(_spec(tmp_path, queue=4))
    log.offer(_request())
    assert began.wait(60)
    for number in range(20):
        log.offer(_request(number))
    counts = log.counts
    assert (counts.seen, counts.sampled, counts.dropped, counts.waiting) == (21, 21, 16, 5)
    go_on.set()
    log.close()
    counts = log.counts
    assert (counts.written, counts.dropped, counts.failed, counts.waiting) == (5, 16, 0, 0)
    assert len(list(read_log(log_files(tmp_path, "m")))) == 5


def test_counts_add_up_when_many_threads_offer(tmp_path):
    log = RequestLog(_spec(tmp_path, queue=8, sample=0.5))
    threads = [
        threading.Thread(target=lambda: [log.offer(_request()) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    counts = log.counts
    assert counts.seen == 800
    assert 300 < counts.sampled < 500
    assert counts.sampled == counts.written + counts.dropped
    assert len(list(read_log(log_files(tmp_path, "m")))) == counts.written


def test_what_is_offered_after_the_end_is_dropped_and_counted(tmp_path):
    log = RequestLog(_spec(tmp_path))
    log.close()
    log.offer(_request())
    log.close()
    assert log.counts.dropped == 1


def test_a_request_that_cannot_be_reported_is_counted_and_ends_nothing(tmp_path):
    log = RequestLog(_spec(tmp_path))
    log.offer(LoggedRequest("m", 1, "s", {"x": np.zeros(1, "complex64")}, {}))
    log.offer(_request())
    log.close()
    assert (log.counts.failed, log.counts.written) == (1, 1)


def test_the_same_seed_keeps_the_same_requests(tmp_path):
    kept = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        log = RequestLog(_spec(folder, sample=0.3))
        for number in range(50):
            log.offer(_request(number))
        log.close()
        kept.append([one.inputs["age"][0] for one in read_log(log_files(folder, "m"))])
    assert kept[0] == kept[1]
    assert 5 < len(kept[0]) < 25


def test_files_turn_by_size_and_age_and_by_model(tmp_path):
    now = [1_000_000.0]
    files = LogFiles(tmp_path, max_bytes=100, max_age_s=10, clock=lambda: now[0])
    record = frame(b"x" * 44)  # 60 bytes
    files.write("m", record)
    assert log_files(tmp_path, "m") == []
    files.write("m", record)
    assert len(log_files(tmp_path, "m")) == 1
    now[0] += 11
    files.tend()
    assert len(log_files(tmp_path, "m")) == 2
    files.write("../up", record)
    files.tend(end=True)
    assert len(log_files(tmp_path, "../up")) == 1
    assert {path.parent for path in tmp_path.rglob("*.tfrecord")} <= set(tmp_path.iterdir())
    assert not list(tmp_path.rglob("*.open"))


def test_what_a_killed_process_left_is_saved_up_to_its_last_whole_record(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    left = folder / ".20260101T000000Z-1.tfrecord.open"
    left.write_bytes(frame(b"one") + frame(b"two")[:-1])
    held = folder / ".20260101T000000Z-2.tfrecord.open"
    held.write_bytes(frame(b"three"))
    with held.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        LogFiles(tmp_path, 100, 10, lambda: 0.0)
    (saved,) = log_files(tmp_path, "m")
    assert list(read_records(saved)) == [b"one"]
    assert held.is_file()


def test_a_full_disk_leaves_whole_records_only(tmp_path):
    class Full:
        def __init__(self, stream):
            self._stream = stream

        def write(self, record):
            return self._stream.write(record[:5])

        def close(self):
            self._stream.close()

    files = LogFiles(tmp_path, 1000, 10, lambda: 0.0)
    files.write("m", frame(b"one"))
    files._files["m"].stream = Full(files._files["m"].stream)
    with pytest.raises(OSError, match="no more"):
        files.write("m", frame(b"two"))
    files.write("m", frame(b"three"))
    files.tend(end=True)
    assert sorted(r for path in log_files(tmp_path, "m") for r in read_records(path)) == [
        b"one",
        b"three",
    ]


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(0, 400))
def test_a_cut_file_is_reported_and_its_whole_part_known(tmp_path_factory, records, cut):
    path = tmp_path_factory.mktemp("log") / "x.tfrecord"
    content = b"".join(map(frame, records))
    path.write_bytes(content[:cut])
    whole = whole_bytes(path)
    ends = np.cumsum([0] + [len(frame(one)) for one in records])
    assert whole == max(end for end in ends if end <= cut)
    if whole == len(content[:cut]):
        assert len(list(read_records(path))) == list(ends).index(whole)
    else:
        with pytest.raises(KelpError, match="broken"):
            list(read_records(path))


def test_a_flipped_bit_is_reported(tmp_path):
    path = tmp_path / "x.tfrecord"
    for at in (3, 9, 14, 17):
        content = bytearray(frame(b"hello"))
        content[at] ^= 1
        path.write_bytes(content)
        with pytest.raises(KelpError, match="broken"):
            list(read_records(path))


def test_a_warm_up_file_has_all_inputs_again(tmp_path):
    log = RequestLog(_spec(tmp_path / "log", leave_out=("person", "age", "flags")))
    request = _request()
    request = LoggedRequest(
        "m", 3, "serving_default", {**request.inputs, "x": np.zeros(2, np.float32)}, {}
    )
    for _ in range(3):
        log.offer(request)
    log.close()
    signature = Signature(
        "serving_default",
        {
            "x": Port("x", "float32", (None,)),
            "age": Port("age", "float32", (None,)),
            "person": Port("person", "string", (None,)),
            "flags": Port("flags", "int64", (None, 2)),
        },
        {},
    )
    path = tmp_path / "warm_up"
    files = log_files(tmp_path / "log", "m")
    assert write_warm_up(files, path, {"serving_default": signature}, most=2) == 2
    first, _ = read_log([path])
    assert first.outputs == {}
    assert first.version == 0
    np.testing.assert_array_equal(first.inputs["age"], np.array([np.nan] * 2, np.float32))
    assert first.inputs["person"].tolist() == [b"", b""]
    assert first.inputs["flags"].tolist() == [[0, 0], [0, 0]]
    with pytest.raises(KelpError, match="another model"):
        write_warm_up(files, path, {})


def test_names_of_models_are_harmless_folders():
    assert files_module._folder_name("..") == "%2E."
    assert files_module._folder_name("a/b\0") == "a%2Fb%00"
    assert files_module._folder_name("flights-int8") == "flights-int8"
