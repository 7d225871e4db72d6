"""Two machines train as one does: real processes, real collectives on loopback."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.fixtures.forked import fork_server
from tests.fixtures.machine_of_many import FITS, fit_all, settings_of_machines

# Sums of halves differ from the whole in their last bits, and the optimizer divides by them.
_TOLERANCE = 1e-4
_TIMEOUT_S = 300
_PROGRAM = "from tests.fixtures.machine_of_many import main; main()"


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two machines has fitted."""
    folder = tmp_path_factory.mktemp("machines")
    running = [
        fork_server().start(
            [str(folder / f"{place}")],
            folder,
            {**os.environ, "TF_CONFIG": settings},
            code=_PROGRAM,
        )
        for place, settings in enumerate(settings_of_machines(2))
    ]
    ended = [machine.wait(_TIMEOUT_S) for machine in running]
    assert [one.returncode for one in ended] == [0, 0], [one.stderr[-3000:] for one in ended]
    return [json.loads((folder / f"{place}").read_text()) for place in range(2)]


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What one machine fits under a strategy, which has its own order of batches."""
    import tensorflow as tf

    from models.training.distribution import Device

    return fit_all(Device("CPU", tf.distribute.OneDeviceStrategy("/cpu:0")))


@pytest.mark.parametrize("name", FITS)
def test_two_machines_fit_what_one_does(
    machines: list[dict[str, Any]], alone: dict[str, Any], name: str
) -> None:
    for machine in machines:
        assert machine[name]["weights"] == pytest.approx(alone[name]["weights"], abs=_TOLERANCE)
        for epoch, wanted in zip(machine[name]["history"], alone[name]["history"], strict=True):
            assert epoch == pytest.approx(wanted, abs=_TOLERANCE)


def test_both_machines_have_the_same_weights(machines: list[dict[str, Any]]) -> None:
    for name in FITS:
        assert machines[0][name]["weights"] == machines[1][name]["weights"]
