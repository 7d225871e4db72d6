"""What a task on a cluster needs of this machine: the config, its schema, the code beside it."""

from __future__ import annotations

import json

from contracts.errors import ConfigError
from pipelines.config.problem import LoadedConfig

# The kernel takes no argument above 128 KiB, and Kubeflow's driver gets them all in one.
MOST_BYTES = 96 << 10


def carried_files(loaded: LoadedConfig) -> dict[str, str]:
    """Gives the files that travel with the pipeline, by their path beside the config.

    Raises:
      ConfigError: they are too large to travel.
    """
    files = {loaded.path.name: loaded.text}
    if loaded.frozen_schema is not None:
        files[f"{loaded.config.name}.schema.pbtxt"] = loaded.frozen_schema.read_text(
            encoding="utf-8"
        )
    folder = loaded.code_folder.resolve()
    for source in loaded.user_functions():
        if source.root == folder:
            for path in source.files.values():
                files[str(path.relative_to(folder))] = path.read_text(encoding="utf-8")
    size = len(to_text(files))
    if size > MOST_BYTES:
        raise ConfigError(
            "The config, its schema and the code beside it are too large to travel.",
            where=str(loaded.path),
            expected=f"at most {MOST_BYTES:,} bytes",
            received=f"{size:,} bytes: {', '.join(sorted(files))}",
            fix="install the code in the image instead: docs/kubeflow.md",
        )
    return dict(sorted(files.items()))


def carried_overrides(loaded: LoadedConfig) -> list[str]:
    """Gives the overrides of the command, and that of a schema elsewhere: it is carried along."""
    schema = ["data.schema=null"] if loaded.config.data.schema_path is not None else []
    return [*loaded.overrides, *schema]


def to_text(files: dict[str, str]) -> str:
    """Gives files as JSON in which no template engine finds two braces to replace."""
    text = json.dumps(files, ensure_ascii=False)
    return text.replace("{{", "{\\u007b").replace("}}", "}\\u007d")
