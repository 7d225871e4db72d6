from __future__ import annotations

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from contracts.errors import KelpError
from serving.release.config_file import ModelEntry, read_config, update_entry, write_config

WITH_LOGGING = """
# kept by hand
model_config_list {
  config {
    name: "flights" base_path: "/models/flights" model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 2 } }
    logging_config { sampling_config { sampling_rate: 0.5 } }
  }
  config { name: "other" base_path: "/models/other" }
}
"""


def test_a_written_file_is_tensorflow_servings_text_proto(tmp_path):
    path = tmp_path / "models.config"
    entry = ModelEntry("m", "/models/m", versions=(4, 3), labels={"stable": 3, "canary": 4})
    write_config(path, [entry])
    parsed = text_format.Parse(path.read_text(), ModelServerConfig())
    (model,) = parsed.model_config_list.config
    assert list(model.model_version_policy.specific.versions) == [3, 4]
    assert dict(model.version_labels) == {"stable": 3, "canary": 4}
    assert model.model_platform == "tensorflow"
    assert [file.name for file in tmp_path.iterdir()] == ["models.config"]


_NAMES = st.text("abcdef_-0123", min_size=1, max_size=8)
_VERSIONS = st.integers(0, 2**62)


@st.composite
def _entries(draw):
    policy = draw(st.sampled_from(["latest", "specific", "all"]))
    return ModelEntry(
        name=draw(_NAMES),
        base_path="/models/" + draw(st.text(min_size=1, max_size=10)),
        latest=draw(st.integers(1, 9)) if policy == "latest" else 1,
        versions=tuple(sorted(draw(st.sets(_VERSIONS, min_size=1))))
        if policy == "specific"
        else (),
        every=policy == "all",
        labels=dict(sorted(draw(st.dictionaries(_NAMES, _VERSIONS, max_size=3)).items())),
    )


@settings(deadline=None)
@given(st.lists(_entries(), max_size=4, unique_by=lambda entry: entry.name))
def test_what_was_written_is_read(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("config") / "models.config"
    write_config(path, entries)
    assert list(read_config(path).values()) == entries


def test_an_update_keeps_other_models_and_what_kelp_has_no_word_for(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(WITH_LOGGING)
    update_entry(path, ModelEntry("flights", "/models/flights", versions=(7,)))
    parsed = text_format.Parse(path.read_text(), ModelServerConfig())
    flights, other = parsed.model_config_list.config
    assert flights.logging_config.sampling_config.sampling_rate == 0.5
    assert list(flights.model_version_policy.specific.versions) == [7]
    assert other.name == "other"
    assert read_config(path)["other"] == ModelEntry("other", "/models/other")


def test_a_file_without_models_is_one(tmp_path):
    path = tmp_path / "models.config"
    write_config(path, [])
    parsed = text_format.Parse(path.read_text(), ModelServerConfig())
    assert parsed.WhichOneof("config") == "model_config_list"
    assert read_config(path) == {}


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("model_config_list { config { nmae: 'x' } }", "nmae"),
        ("model_config_list { config { name: 'x' } }", "base_path"),
        ("custom_model_config {}", "model_config_list"),
        (
            (
                "model_config_list { config { name: 'x' base_path: '/x' "
                "model_version_policy { specific {} } } }"
            ),
            "specific",
        ),
        (
            (
                "model_config_list { config { name: 'x' base_path: '/x' } "
                "config { name: 'x' base_path: '/y' } }"
            ),
            "twice",
        ),
    ],
)
def test_a_wrong_file_is_reported(tmp_path, text, reported):
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(KelpError, match=reported):
        read_config(path)


def test_a_missing_file_and_a_folder_that_is_not_there_are_reported(tmp_path):
    with pytest.raises(KelpError, match="cannot be read"):
        read_config(tmp_path / "models.config")
    with pytest.raises(KelpError, match="cannot be written"):
        update_entry(tmp_path / "no" / "models.config", ModelEntry("m", "/m"))
