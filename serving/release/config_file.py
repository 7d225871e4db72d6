"""TensorFlow Serving's `models.config`: which versions of which models, under which labels.

The file is the text form of `tensorflow.serving.ModelServerConfig`, as the server's
`--model_config_file` reads it; parts of it that Kelp has no word for are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from contracts.errors import EnvironmentProblem
from contracts.files import save_text

CONFIG_FILE = "models.config"
PLATFORM = "tensorflow"


@dataclass(frozen=True)
class ModelEntry:
    """One model of the file.

    Attributes:
      name: What requests call it.
      base_path: The folder with its versions.
      latest: Serve this many of the newest versions; the policy where neither of the other
        two is given.
      versions: Serve just these; empty for another policy.
      every: Serve all versions.
      labels: Names for versions, such as `stable`.
      platform: What executes it.
    """

    name: str
    base_path: str
    latest: int = 1
    versions: tuple[int, ...] = ()
    every: bool = False
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = PLATFORM


def read_config(path: Path) -> dict[str, ModelEntry]:
    """Reads the models of a file, by name.

    Raises:
      KelpError: the file is not there, is no such text, or contradicts itself.
    """
    return entries_of(_read(path), path)


def entries_of(config: Any, where: Path) -> dict[str, ModelEntry]:
    """The models of a `ModelServerConfig`, by name.

    Args:
      config: The message.
      where: What it was read from.

    Raises:
      KelpError: it contradicts itself.
    """
    found: dict[str, ModelEntry] = {}
    for message in config.model_config_list.config:
        entry = _entry(message, where)
        if entry.name in found:
            raise _wrong(where, f"the model {entry.name!r} twice", "each model once")
        found[entry.name] = entry
    return found


def write_config(path: Path, entries: Sequence[ModelEntry]) -> None:
    """Replaces the models of a file, in one step that no reader sees half of.

    What the file already says of a model beside its versions and labels is kept; a model
    that is not among the entries goes.

    Raises:
      KelpError: what is there now is no such text, or cannot be replaced.
    """
    config = _read(path) if path.is_file() else ModelServerConfig()
    before = {message.name: message for message in config.model_config_list.config}
    written = ModelServerConfig()
    # A file without models must still be of this kind, or the server refuses it.
    written.model_config_list.SetInParent()
    for entry in entries:
        message = written.model_config_list.config.add()
        if entry.name in before:
            message.CopyFrom(before[entry.name])
        _fill(message, entry)
    save_text(path, text_format.MessageToString(written))


def update_entry(path: Path, entry: ModelEntry) -> None:
    """Replaces one model of a file, or adds it.

    Raises:
      KelpError: what is there now is no such text, or cannot be replaced.
    """
    config = _read(path) if path.is_file() else ModelServerConfig()
    named = [one for one in config.model_config_list.config if one.name == entry.name]
    _fill(named[0] if named else config.model_config_list.config.add(), entry)
    save_text(path, text_format.MessageToString(config))


def read_message(path: Path, name: str) -> Any | None:
    """All that a file says of one model; None where it says nothing.

    Raises:
      KelpError: the file is no such text.
    """
    if not path.is_file():
        return None
    named = [one for one in _read(path).model_config_list.config if one.name == name]
    return named[0] if named else None


def restore_message(path: Path, name: str, message: Any | None) -> None:
    """Puts back what a file said of one model; a file that says nothing more is removed.

    Args:
      path: The file.
      name: The model.
      message: What `read_message` gave.

    Raises:
      KelpError: what is there now is no such text, or cannot be replaced.
    """
    config = _read(path) if path.is_file() else ModelServerConfig()
    models = list(config.model_config_list.config)
    if message is None:
        kept = [one for one in models if one.name != name]
    elif name in [one.name for one in models]:
        kept = [message if one.name == name else one for one in models]
    else:
        kept = [*models, message]
    if not kept:
        path.unlink(missing_ok=True)
        return
    del config.model_config_list.config[:]
    config.model_config_list.config.extend(kept)
    save_text(path, text_format.MessageToString(config))


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        config = text_format.Parse(text, ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise EnvironmentProblem(
            f"{path.name} cannot be read.",
            where=str(path),
            expected="TensorFlow Serving's model config, as text",
            received=str(error),
            fix="correct it, or remove it: it is written anew where it is needed",
        ) from error
    if config.WhichOneof("config") == "custom_model_config":
        raise _wrong(path, "custom_model_config", "model_config_list")
    return config


def _entry(message: Any, path: Path) -> ModelEntry:
    if not message.name or not message.base_path:
        raise _wrong(path, "a model without it", "a name and a base_path for each model")
    latest, versions, every = 1, (), False
    choice = message.model_version_policy.WhichOneof("policy_choice")
    policy = message.model_version_policy
    if choice == "specific":
        versions = tuple(policy.specific.versions)
        if not versions:
            raise _wrong(path, f"specific {{}} for {message.name!r}", "the versions to serve")
    elif choice == "all":
        every = True
    elif choice == "latest":
        # TensorFlow Serving takes 0, which is what is not set, as 1.
        latest = policy.latest.num_versions or 1
    return ModelEntry(
        name=message.name,
        base_path=message.base_path,
        latest=latest,
        versions=versions,
        every=every,
        labels=dict(sorted(message.version_labels.items())),
        platform=message.model_platform or PLATFORM,
    )


def _fill(message: Any, entry: ModelEntry) -> None:
    message.name = entry.name
    message.base_path = entry.base_path
    message.model_platform = entry.platform
    policy = message.model_version_policy
    policy.Clear()
    if entry.versions:
        policy.specific.versions.extend(sorted(set(entry.versions)))
    elif entry.every:
        policy.all.SetInParent()
    else:
        policy.latest.num_versions = entry.latest
    message.version_labels.clear()
    for label, version in entry.labels.items():
        message.version_labels[label] = version


def _wrong(path: Path, received: str, expected: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path.name} does not say what to serve.",
        where=str(path),
        expected=expected,
        received=received,
        fix="correct it, or remove it: it is written anew where it is needed",
    )
