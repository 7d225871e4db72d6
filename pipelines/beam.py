"""Beam's options by runner name."""

from __future__ import annotations

from collections.abc import Mapping

# Beam's default DirectRunner tries to download and start another runner; naming this one
# makes a run the same on every machine.
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "local": (
        "--runner=apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
    ),
}


def beam_args(runner: str) -> list[str]:
    """Gives Beam's command-line options for a runner of the config."""
    return list(_OPTIONS[runner])
