"""TensorFlow Serving's config files, parsed as it parses them."""

from __future__ import annotations

import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,  # noqa: F401 - in the default pool by its import
)

from contracts.errors import KelpError
from serving.config import ModelSpec, PolicySpec, ServingSpec
from serving.production import batching_text, monitoring_text, write_server_files
from serving.release.config_file import ModelEntry, read_config, update_entry

# Of session_bundle_config.proto and monitoring_config.proto, which no Python package has.
WRAPPED = {
    "max_batch_size": "Int64Value",
    "batch_timeout_micros": "Int64Value",
    "max_enqueued_batches": "Int64Value",
    "num_batch_threads": "Int64Value",
    "thread_pool_name": "StringValue",
    "enable_large_batch_splitting": "BoolValue",
    "max_execution_batch_size": "Int64Value",
}


@pytest.fixture(scope="module")
def messages():
    """The two messages, with the fields' names and types of TensorFlow Serving."""
    file = descriptor_pb2.FileDescriptorProto(
        name="kelp_test.proto",
        package="kelp_test",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    optional = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    kinds = descriptor_pb2.FieldDescriptorProto
    batching = file.message_type.add(name="BatchingParameters")
    for number, (name, kind) in enumerate(WRAPPED.items(), 1):
        batching.field.add(
            name=name,
            number=number,
            label=optional,
            type=kinds.TYPE_MESSAGE,
            type_name=f".google.protobuf.{kind}",
        )
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, label=optional, type=kinds.TYPE_BOOL)
    prometheus.field.add(name="path", number=2, label=optional, type=kinds.TYPE_STRING)
    monitoring = file.message_type.add(name="MonitoringConfig")
    monitoring.field.add(
        name="prometheus_config",
        number=1,
        label=optional,
        type=kinds.TYPE_MESSAGE,
        type_name=".kelp_test.PrometheusConfig",
    )
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pool.Default().FindFileByName("google/protobuf/wrappers.proto")
    pool.AddSerializedFile(wrappers.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"kelp_test.{name}"))
        for name in ("BatchingParameters", "MonitoringConfig")
    }


@pytest.fixture
def root(tmp_path):
    for folder in ("flights/1", "flights/12", "flights-int8/12", "half/.tmp-3", "empty", "a/x"):
        (tmp_path / "models" / folder).mkdir(parents=True)
    for folder in ("flights/1", "flights/12", "flights-int8/12", "half/.tmp-3", "a/x"):
        (tmp_path / "models" / folder / "saved_model.pb").touch()
    (tmp_path / "models" / "releases.json").write_text("{}")
    return tmp_path / "models"


def test_batches_are_those_of_the_embedded_server(messages):
    spec = ServingSpec.model_validate(
        {"batching": {"rows": 256, "queue": 77}, "limits": {"rows": 5000}}
    )
    parsed = text_format.Parse(batching_text(spec), messages["BatchingParameters"]())
    assert parsed.max_execution_batch_size.value == 256
    assert parsed.max_enqueued_batches.value == 77
    # A request may have more rows than a batch; without this it would be refused.
    assert parsed.max_batch_size.value == 5000
    assert parsed.enable_large_batch_splitting.value is True
    assert parsed.HasField("batch_timeout_micros")
    assert parsed.batch_timeout_micros.value == 0


def test_a_batch_is_never_larger_than_what_is_taken_in(messages):
    spec = ServingSpec.model_validate({"batching": {"rows": 512}, "limits": {"rows": 10}})
    parsed = text_format.Parse(batching_text(spec), messages["BatchingParameters"]())
    assert parsed.max_batch_size.value >= parsed.max_execution_batch_size.value


def test_metrics_are_on_the_page_that_is_scraped(messages):
    parsed = text_format.Parse(monitoring_text(), messages["MonitoringConfig"]())
    assert parsed.prometheus_config.enable is True
    assert parsed.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_every_model_with_a_version_is_named(root, tmp_path):
    names = write_server_files(tmp_path / "out", root, ServingSpec())
    assert names == ["flights", "flights-int8"]
    entries = read_config(tmp_path / "out" / "models.config")
    # What is pushed next waits for its release.
    assert entries == {
        name: ModelEntry(name, f"/models/{name}", versions=(12,), labels={"stable": 12})
        for name in ("flights", "flights-int8")
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "batching.config",
        "models.config",
        "monitoring.config",
    ]


def test_policies_and_labels_are_those_of_the_config(root, tmp_path):
    spec = ServingSpec(
        policy=PolicySpec(count=3),
        models={
            "flights": ModelSpec(
                policy=PolicySpec(kind="specific", versions=(1, 12)), labels={"stable": 1}
            )
        },
    )
    write_server_files(tmp_path, root, spec, base="/other/")
    entries = read_config(tmp_path / "models.config")
    assert entries["flights"].versions == (1, 12)
    assert entries["flights"].labels == {"stable": 1}
    assert entries["flights"].base_path == "/other/flights"
    assert entries["flights-int8"].latest == 3
    every = ServingSpec(policy=PolicySpec(kind="all"))
    write_server_files(tmp_path / "all", root, every)
    assert read_config(tmp_path / "all" / "models.config")["flights"].every is True


def test_what_a_release_has_set_is_kept_and_what_is_gone_goes(root, tmp_path):
    write_server_files(tmp_path, root, ServingSpec())
    released = ModelEntry(
        "flights", "/models/flights", versions=(1, 12), labels={"stable": 1, "canary": 12}
    )
    update_entry(tmp_path / "models.config", released)
    update_entry(tmp_path / "models.config", ModelEntry("gone", "/models/gone"))
    assert write_server_files(tmp_path, root, ServingSpec()) == ["flights", "flights-int8"]
    entries = read_config(tmp_path / "models.config")
    assert entries["flights"] == released
    assert "gone" not in entries


def test_without_a_model_there_is_nothing_to_write(tmp_path):
    with pytest.raises(KelpError, match="no model to serve"):
        write_server_files(tmp_path / "out", tmp_path / "none", ServingSpec())
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_is_reported(root, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KelpError, match="cannot be written"):
        write_server_files(tmp_path / "file" / "out", root, ServingSpec())
