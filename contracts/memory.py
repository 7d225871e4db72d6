"""How much memory is free."""

from __future__ import annotations

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def free_memory_mib(proc: Path = Path("/proc"), cgroup: Path = _CGROUP) -> float:
    """The memory that this process and its children can still take.

    Args:
      proc: Where the kernel tells of the machine.
      cgroup: Where it tells of the container; its limit counts as well.
    """
    lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    free = int(available.split()[1]) / 1024
    limit, used = cgroup / "memory.max", cgroup / "memory.current"
    if not limit.is_file() or not used.is_file():
        return free
    most = limit.read_text(encoding="ascii").strip()
    if most == "max":
        return free
    # Files that were read count as used, and are given back when memory is asked for.
    counted = dict(
        line.split() for line in (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
    )
    cached = int(counted.get("inactive_file", 0))
    left = int(most) - int(used.read_text(encoding="ascii")) + cached
    return min(free, left / 2**20)
