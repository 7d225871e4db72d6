"""How much memory is free: the machine's, or the container's."""

from __future__ import annotations

from pathlib import Path

from contracts.memory import free_memory_mib


def _machine(folder: Path, available_kib: int, **cgroup: str) -> tuple[Path, Path]:
    (folder / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {available_kib} kB\n")
    for name, content in cgroup.items():
        (folder / name.replace("_", ".")).write_text(content)
    return folder, folder


def test_free_memory_is_the_machines_or_what_the_container_has_left(tmp_path: Path) -> None:
    assert free_memory_mib(*_machine(tmp_path, 4096 * 1024)) == 4096
    limits = {"memory_max": "max\n", "memory_current": "0\n"}
    assert free_memory_mib(*_machine(tmp_path, 4096 * 1024, **limits)) == 4096
    limits = {
        "memory_max": f"{3 * 2**30}\n",
        "memory_current": f"{2 * 2**30}\n",
        "memory_stat": f"anon 5\ninactive_file {2**29}\n",
    }
    assert free_memory_mib(*_machine(tmp_path, 4096 * 1024, **limits)) == 1536
