"""What a run writes down about itself, so that it can be repeated."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from contracts.files import write_json
from pipelines.config.problem import LoadedConfig

CONFIG_TEXT = "config.yaml"
CONFIG_FILE = "config.json"
SCHEMA_FILE = "schema.pbtxt"
MACHINE_FILE = "machine.json"
CODE_FOLDER = "code"


def record(loaded: LoadedConfig, folder: Path) -> None:
    """Writes into the run folder what a replay needs.

    The config as the file has it and as it was resolved, the frozen schema and the users'
    functions where there are some, and the machine: with other processors, sums of floats may
    round otherwise.
    """
    (folder / CONFIG_TEXT).write_text(loaded.text, encoding="utf-8")
    write_json(folder / CONFIG_FILE, loaded.config.model_dump(mode="json", by_alias=True))
    write_json(folder / MACHINE_FILE, machine())
    frozen = loaded.frozen_schema
    if frozen is not None:
        (folder / SCHEMA_FILE).write_text(frozen.read_text(encoding="utf-8"), encoding="utf-8")
    _record_code(loaded, folder / CODE_FOLDER)


def _record_code(loaded: LoadedConfig, target: Path) -> None:
    """Copies the modules beside the config; installed packages are recorded by version."""
    for source in loaded.user_functions():
        if source.root != loaded.code_folder.resolve():
            continue
        for file in source.files.values():
            copy = target / file.relative_to(source.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())


def machine() -> dict[str, Any]:
    """What of this machine can change the last digits of a metric."""
    return {
        "architecture": platform.machine(),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not a Linux
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
