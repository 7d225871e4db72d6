"""What the server waits for before it is ready, and what a models.config names."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from contracts.errors import KelpError
from serving.config import ModelSpec
from serving.release.config_file import ModelEntry, write_config
from tests.unit.serving.fakes import BROKEN, World, eventually, run_world


@pytest.mark.parametrize("junk", ["empty", "broken"])
def test_a_newcomer_that_cannot_be_loaded_leaves_the_server_ready(
    tmp_path: Path, junk: str
) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    def come(name: str) -> None:
        if junk == "empty":
            (world.root / name / "1").mkdir(parents=True)
        else:
            world.write(name, 1, BROKEN)

    come("there_from_the_start")

    async def act(world: World) -> None:
        assert not world.manager.ready()
        await world.until("m", [1])
        await eventually(world.manager.ready)
        assert world.states("there_from_the_start") == {1: "END"}
        come("later")
        seen = []
        while world.states("later") != {1: "END"}:
            seen.append(world.manager.ready())
            await asyncio.sleep(0.01)
        assert all(seen)
        assert world.manager.ready()
        # What is taken away is not waited for.
        world.write("later", 2)
        await world.until("later", [2])
        shutil.rmtree(world.root / "later")
        await eventually(lambda: not world.manager.knows("later"))
        await eventually(world.manager.ready)

    run_world(world, act)


def test_the_start_waits_for_all_that_is_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    for name in ("one", "two"):
        world.write(name, 1)

    async def act(world: World) -> None:
        while not world.manager.ready():
            await asyncio.sleep(0)
        assert (world.served("one"), world.served("two")) == ([1], [1])

    run_world(world, act)


@pytest.mark.parametrize("required", [True, False])
def test_what_the_config_names_is_required(tmp_path: Path, required: bool) -> None:
    world = World(tmp_path, models={"named": ModelSpec(required=required)})
    world.write("m", 1)

    async def act(world: World) -> None:
        await world.until("m", [1])
        await world.manager.settled()
        assert world.manager.ready() is not required
        world.write("named", 1)
        await world.until("named", [1])
        assert world.manager.ready()

    run_world(world, act)


def test_what_models_config_names_is_required(tmp_path: Path) -> None:
    world = World(tmp_path, model_config_file=str(tmp_path / "models.config"))
    world.write("one", 1)
    names = ("one", "two")
    write_config(
        tmp_path / "models.config", [ModelEntry(name, str(world.root / name)) for name in names]
    )

    async def act(world: World) -> None:
        await world.until("one", [1])
        assert not world.manager.ready()
        world.write("two", 1)
        await world.until("two", [1])
        assert world.manager.ready()

    run_world(world, act)


def test_models_config_alone_says_what_is_served(tmp_path: Path) -> None:
    world = World(tmp_path, model_config_file=str(tmp_path / "models.config"))
    for name in ("one", "two"):
        for version in (1, 2, 3):
            world.write(name, version)
    entries = [
        ModelEntry("uno", str(world.root / "one"), latest=2),
        ModelEntry("two", str(world.root / "two"), every=True),
    ]
    write_config(tmp_path / "models.config", entries)

    async def act(world: World) -> None:
        await world.until("uno", [3, 2])
        await world.until("two", [3, 2, 1])
        write_config(tmp_path / "models.config", entries[:1])
        await eventually(lambda: not world.manager.knows("two"))
        assert world.served("uno") == [3, 2]

    run_world(world, act)


def test_a_models_config_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    world = World(tmp_path, model_config_file=str(tmp_path / "models.config"))
    with pytest.raises(KelpError, match="cannot be read"):
        asyncio.run(world.manager.start())
