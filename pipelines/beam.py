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
        # Nothing is started from an image here. Without one, TFX packs its own source for
        # remote workers, which takes each component a second.
        "--sdk_container_image=none",
    ),
}


def beam_args(runner: str) -> list[str]:
    """Gives Beam's command-line options for a runner of the config."""
    return list(_OPTIONS[runner])


def batch_by_size() -> None:
    """Makes TFX read batches of a fixed size in bytes, in this process.

    By default Beam looks for the size that takes a second. On wide tables or a busy machine
    that is a handful of rows, and each batch costs time for every column; moments that are
    summed up in other batches also differ in their last bits from run to run.
    """
    from absl import flags
    from tfx_bsl.coders import batch_util  # noqa: F401 (defines the flag)

    flags.FLAGS.set_default("tfxio_use_byte_size_batching", True)
