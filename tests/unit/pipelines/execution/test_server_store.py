"""Answers of a database server: in order, and with every text as it was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ml_metadata.proto import metadata_store_pb2, metadata_store_service_pb2

from pipelines.execution.server_store import change_texts, escape, put_in_order, restore


@given(st.text(alphabet=st.sampled_from("\\\ue000\ue00112a'{\"")))
def test_a_text_comes_back(text: str) -> None:
    assert "\\" not in escape(text)
    assert restore(escape(text)) == text


def test_all_texts_of_a_message_are_changed() -> None:
    request = metadata_store_service_pb2.PutExecutionRequest()
    request.execution.custom_properties["spec"].string_value = '{"a": "\\"b\\""}'
    request.execution.properties["count"].int_value = 1
    pair = request.artifact_event_pairs.add()
    pair.artifact.uri = "C:\\data"
    step = metadata_store_pb2.Event.Path.Step(key="\\")
    pair.event.path.steps.append(step)
    before = type(request)()
    before.CopyFrom(request)
    change_texts(request, escape)
    assert b"\\" not in request.SerializeToString()
    change_texts(request, restore)
    assert request == before


def test_rows_come_as_they_were_asked_for_or_by_id() -> None:
    answer = metadata_store_service_pb2.GetArtifactsByIDResponse()
    for id_ in (6, 5, 7):
        answer.artifacts.add(id=id_)
    asked = metadata_store_service_pb2.GetArtifactsByIDRequest(artifact_ids=[7, 5, 6])
    put_in_order(asked, answer)
    assert [artifact.id for artifact in answer.artifacts] == [7, 5, 6]

    every = metadata_store_service_pb2.GetExecutionsRequest()
    executions = metadata_store_service_pb2.GetExecutionsResponse()
    for id_ in (3, 1, 2):
        executions.executions.add(id=id_)
    every.options.max_result_size = 3
    put_in_order(every, executions)
    assert [execution.id for execution in executions.executions] == [3, 1, 2]
    every.ClearField("options")
    put_in_order(every, executions)
    assert [execution.id for execution in executions.executions] == [1, 2, 3]
