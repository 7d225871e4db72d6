"""Errors are short, complete, and survive a process boundary."""

from __future__ import annotations

import pickle

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ConfigError, DataError, GateError, KelpError, error_from_json
from models.features.pixels import PixelForm, decode_images
from pipelines.execution.failures import LostMachine, explain_failure
from tests.fixtures.pictures import COLOUR, encoded

PNG, JPEG = encoded(COLOUR, "PNG"), encoded(COLOUR, "JPEG")


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_at_most_five_lines_and_a_round_trip(
    what: str, where: str, expected: str, received: str, fix: str
) -> None:
    error = DataError(what, where=where, expected=expected, received=received, fix=fix)
    assert 1 <= len(str(error).split("\n")) <= 5
    again = error_from_json(error.to_json())
    assert type(again) is DataError
    assert again.lines() == error.lines()


def test_pickles() -> None:
    error = pickle.loads(pickle.dumps(GateError("no", where="DataGate")))
    assert type(error) is GateError
    assert error.lines() == ["error: no", "  where:    DataGate"]


def test_the_cause_that_kelp_knows_is_reported() -> None:
    wrapped = RuntimeError("wrapped [while running 'Map']")
    wrapped.__cause__ = ConfigError("known")
    assert explain_failure(wrapped, "Trainer", "x.log").what == "known"


def test_an_image_that_the_audit_let_pass_is_reported_as_such() -> None:
    form = PixelForm(4, 4, 3, "pad", 1000)
    for content in (PNG[:-20], JPEG[:40], b"no image"):
        images = tf.data.Dataset.from_tensors([content]).map(lambda part: decode_images(part, form))
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            next(iter(images))
        result = explain_failure(raised.value, "Trainer", "x.log")
        assert result.what == "Trainer came to an image that cannot be decoded."
        assert "data.audit.images.unreadable" in result.fix
    other = explain_failure(
        tf.errors.InvalidArgumentError(None, None, "shapes"), "Trainer", "x.log"
    )
    assert "Trainer failed: InvalidArgumentError" in other.what


def test_a_full_disk_is_reported_as_such() -> None:
    result = explain_failure(RuntimeError("write: No space left on device"), "Trainer", "x.log")
    assert "the disk is full" in result.what
    assert result.where == "Trainer"


def test_too_little_network_memory_of_flink_is_reported_with_its_keys() -> None:
    words = "failed in state FAILED: java.io.IOException: Insufficient number of network buffers: "
    error = RuntimeError(f"{words}required 512, but only 499 available. The total number is 2048.")
    result = explain_failure(error, "StatisticsGen", "x.log")
    assert result.what == (
        "StatisticsGen needs more network memory than Flink's task managers have."
    )
    assert (result.expected, result.received) == ("512 network buffers for one task", "499")
    assert "taskmanager.network.sort-shuffle.min-buffers" in result.fix


_FRAMES = """
\tat org.apache.beam.sdk.util.MoreFutures.get(MoreFutures.java:61)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: x
\t... 12 more
"""


def test_a_failure_of_a_cluster_is_what_it_says_first() -> None:
    words = "Pipeline a_1 failed in state FAILED: java.lang.IllegalStateException: no slot"
    result = explain_failure(RuntimeError(words + _FRAMES), "Transform", "t.log")
    assert result.what == (
        "Transform failed: RuntimeError: java.lang.IllegalStateException: no slot"
    )


def test_a_failure_of_a_worker_is_what_python_says_last() -> None:
    words = "Pipeline a_1 failed in state FAILED: java.lang.RuntimeException: from SDK harness: "
    python = "Traceback (most recent call last):\n  File\nValueError: boom [while running 'X']\n"
    frames = _FRAMES.replace("Caused by: x\n", "")
    result = explain_failure(RuntimeError(words + python + frames), "Transform", "t.log")
    assert result.what == "Transform failed: RuntimeError: ValueError: boom"


def test_a_machine_that_has_gone_is_reported_as_such() -> None:
    class UnavailableError(Exception):
        pass

    words = "The error could be from a previous operation. [Op:CollectiveReduceV2] name: "
    result = explain_failure(UnavailableError(words), "Trainer", "t.log")
    assert isinstance(pickle.loads(pickle.dumps(result)), LostMachine)
    assert result.what == "Trainer lost another machine of its cluster."
    assert not isinstance(explain_failure(UnavailableError("a"), "Trainer", "t"), LostMachine)


def test_lost_executors_of_spark_are_reported_with_where_to_look() -> None:
    words = (
        "failed in state FAILED: java.lang.IllegalStateException: SparkContext has been shutdown"
    )
    result = explain_failure(RuntimeError(words + _FRAMES), "ExampleGen", "x.log")
    assert result.what == "ExampleGen lost its executors on Spark."
    assert result.received == "java.lang.IllegalStateException: SparkContext has been shutdown"
    assert "stderr" in result.fix


def test_an_unknown_failure_names_component_log_and_last_words() -> None:
    result = explain_failure(
        ValueError("Traceback\n  File\nboom [while running 'X']"), "Evaluator", "e.log"
    )
    assert isinstance(result, KelpError)
    assert result.what == "Evaluator failed: ValueError: boom"
    assert "e.log" in result.fix
