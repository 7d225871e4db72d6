"""Versions come, fail, are replaced and go, and requests never notice."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.config import BatchingSpec, ModelBatchingSpec, ModelSpec, PolicySpec
from serving.errors import ServingError
from serving.release.config_file import ModelEntry, write_config
from serving.versions.policy import choose
from tests.unit.serving.fakes import BROKEN, World, eventually, run_world


@pytest.mark.parametrize(
    ("policy", "failed", "expected"),
    [
        (PolicySpec(), [], [4]),
        (PolicySpec(), [4], [3]),
        (PolicySpec(count=2), [], [4, 3]),
        (PolicySpec(count=9), [3], [4, 2, 1]),
        (PolicySpec(kind="all"), [], [4, 3, 2, 1]),
        (PolicySpec(kind="specific", versions=(2, 3, 9)), [], [3, 2]),
        (PolicySpec(kind="specific", versions=(2,)), [2], []),
    ],
)
def test_policies(policy: PolicySpec, failed: list[int], expected: list[int]) -> None:
    assert choose(policy, [1, 2, 3, 4], failed) == expected


def test_only_folders_named_as_integers(tmp_path: Path) -> None:
    world = World(tmp_path, policy=PolicySpec(kind="all"))
    for folder in ("1", "2", "003", "-4", "5.0", "v6", ".tmp-7", "٨", str(2**63)):
        (world.root / "m" / folder).mkdir(parents=True)
        (world.root / "m" / folder / "saved_model.pb").write_text("good")
    (world.root / "m" / "9").write_text("a file")
    (world.root / "empty").mkdir()
    (world.root / ".hidden" / "1").mkdir(parents=True)

    async def act(world: World) -> None:
        await world.until("m", [3, 2, 1])
        assert set(world.manager.available()) == {"m"}

    run_world(world, act)


def test_a_new_version_is_warm_before_the_old_goes(tmp_path: Path, collections: list[str]) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    async def act(world: World) -> None:
        await world.until("m", [1])
        assert world.servables["m", 1].warmed
        assert world.loads[0].requests == 1
        world.write("m", 2)
        seen: set[tuple[int, ...]] = set()
        while world.served("m") != [2]:
            seen.add(tuple(world.served("m")))
            await asyncio.sleep(0)
        assert seen <= {(1,), (2, 1)}
        assert world.servables["m", 2].warmed
        await eventually(lambda: world.states("m") == {2: "AVAILABLE", 1: "END"})
        assert world.servables["m", 1].closed
        # Its memory is given back: a model is frozen objects in cycles.
        assert collections == ["freeze", "freeze", "unfreeze", "collect", "freeze"]
        with pytest.raises(ServingError, match=r"Specific\(m, 1\)") as caught:
            world.manager.lookup("m", 1)
        assert caught.value.status == 404

    run_world(world, act)


def test_requests_in_flight_finish_on_their_version(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    async def act(world: World) -> None:
        await world.until("m", [1])
        with world.manager.lookup("m") as old:
            answering = asyncio.create_task(old.predict(b"wait"))
            world.write("m", 2)
            await world.until("m", [2])
            assert world.states("m")[1] == "UNLOADING"
            assert not world.servables["m", 1].closed
            old.gate.set()  # type: ignore[attr-defined]
            assert await answering == b'{"predictions": [1]}'
        await eventually(lambda: world.states("m")[1] == "END")
        assert old.drained  # type: ignore[attr-defined]
        assert world.servables["m", 1].closed

    run_world(world, act)


def test_a_broken_version_never_replaces_a_good_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    async def act(world: World) -> None:
        await world.until("m", [1])
        broken = world.write("m", 2, BROKEN)
        await eventually(lambda: world.states("m").get(2) == "END")
        content = world.manager.status("m", 2)[0].to_json()
        assert content["version"] == "2"
        assert content["state"] == "END"
        assert content["status"]["error_code"] == "INVALID_ARGUMENT"
        assert "It is broken." in content["status"]["error_message"]
        attempts = len(world.loads)
        await asyncio.sleep(0.3)
        assert len(world.loads) == attempts  # not again while nothing changed
        assert world.served("m") == [1]
        assert world.manager.ready()
        (broken / "saved_model.pb").write_text("good")
        await world.until("m", [2])

    run_world(world, act)


def test_a_restarted_server_goes_past_a_broken_newest(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)
    world.write("m", 2, BROKEN)

    async def act(world: World) -> None:
        await world.until("m", [1])
        assert world.states("m") == {2: "END", 1: "AVAILABLE"}

    run_world(world, act)


def test_a_folder_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    async def act(world: World) -> None:
        await world.until("m", [1])
        folder = world.write("m", 2, BROKEN)
        for part in range(20):
            (folder / f"part{part}").write_text("x")
            await asyncio.sleep(0.02)
            assert world.served("m") == [1]
            assert world.manager.status("m")[0].version in (1, 2)
        (folder / "saved_model.pb").write_text("good")
        await world.until("m", [2])
        assert [one.version for one in world.loads if one.code == "OK"] == [1, 2]

    run_world(world, act)


def test_a_half_copied_version_is_tried_again_when_the_rest_comes(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.root / "m" / "1").mkdir(parents=True)

    async def act(world: World) -> None:
        await eventually(lambda: world.states("m") == {1: "END"})
        assert world.manager.status("m")[0].code == "NOT_FOUND"
        assert not world.manager.ready()
        world.write("m", 1)
        await world.until("m", [1])
        assert world.manager.ready()

    run_world(world, act)


def test_removed_versions_and_models(tmp_path: Path) -> None:
    world = World(tmp_path)
    for version in (1, 2):
        world.write("m", version)

    async def act(world: World) -> None:
        await world.until("m", [2])
        shutil.rmtree(world.root / "m" / "2")
        await world.until("m", [1])
        # A root that is gone for a moment, as a disk can be, costs nothing.
        world.root.rename(tmp_path / "elsewhere")
        await asyncio.sleep(0.3)
        assert world.served("m") == [1]
        (tmp_path / "elsewhere").rename(world.root)
        shutil.rmtree(world.root / "m")
        await eventually(lambda: not world.manager.knows("m"))
        with pytest.raises(ServingError, match=r"Latest\(m\)"):
            world.manager.lookup("m")

    run_world(world, act)


def test_going_back_loads_an_ended_version_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    for version in (1, 2):
        world.write("m", version)
    file = world.root / "models.config"

    def released(*versions: int, **labels: int) -> None:
        entry = ModelEntry("m", str(world.root / "m"), versions=versions, labels=labels)
        write_config(file, [entry])

    async def act(world: World) -> None:
        await world.until("m", [2])
        released(1, 2, stable=1, canary=2)
        await world.until("m", [2, 1])
        assert world.manager.lookup("m", label="stable").predictor.version == 1
        assert world.manager.lookup("m", label="canary").predictor.version == 2
        released(1, stable=1)
        await world.until("m", [1])
        await eventually(lambda: world.states("m")[2] == "END")
        released(2, stable=2)
        await world.until("m", [2])
        file.write_text("no such {")
        await asyncio.sleep(0.2)
        assert world.manager.lookup("m", label="stable").predictor.version == 2

    run_world(world, act)


def test_labels_point_to_what_is_available_only(tmp_path: Path) -> None:
    labels = {"stable": 1, "canary": 2, "lost": 7}
    world = World(tmp_path, models={"m": ModelSpec(policy=PolicySpec(kind="all"), labels=labels)})
    world.write("m", 1)
    world.write("m", 2, BROKEN)

    async def act(world: World) -> None:
        await world.until("m", [1])
        assert world.manager.lookup("m", label="stable").predictor.version == 1
        assert [one.version for one in world.manager.status("m", label="stable")] == [1]
        for label in ("canary", "lost", "nobody's"):
            with pytest.raises(ServingError, match="Unrecognized servable version label") as caught:
                world.manager.lookup("m", label=label)
            assert caught.value.status == 400

    run_world(world, act)


def test_artifacts_are_models_of_their_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    for version in (1, 2):
        folder = tmp_path / "artifacts" / "m" / str(version) / "tflite_int8"
        folder.mkdir(parents=True)
        (folder / "artifact.json").write_text("")
        (folder / "saved_model.pb").write_text("good")  # what the fake reads
    (tmp_path / "artifacts" / "m" / "2" / "onnx").mkdir()

    async def act(world: World) -> None:
        await world.until("m-tflite_int8", [2])
        assert set(world.manager.available()) == {"m-tflite_int8"}

    run_world(world, act)


def test_unknown_models_and_versions(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    async def act(world: World) -> None:
        await world.until("m", [1])
        refused: list[Callable[[], object]] = [
            lambda: world.manager.lookup("x", 1),
            lambda: world.manager.lookup("m", 2),
            lambda: world.manager.status("x"),
            lambda: world.manager.status("m", 2),
        ]
        for ask in refused:
            with pytest.raises(ServingError) as caught:
                ask()
            assert caught.value.status == 404

    run_world(world, act)


def test_what_is_still_loading_is_not_unknown(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    async def act(world: World) -> None:
        with pytest.raises(ServingError) as caught:
            world.manager.lookup("m")
        assert caught.value.status in (404, 503)
        # Although the files are so new that they are not loaded at the first look.
        await world.manager.settled()
        assert world.served("m") == [1]
        with world.manager.lookup("m") as predictor:
            assert predictor.version == 1

    run_world(world, act)


def test_one_model_is_batched_in_its_own_way(tmp_path: Path) -> None:
    special = ModelSpec(batching=ModelBatchingSpec(rows=2, inline_ms=1))
    world = World(tmp_path, batching=BatchingSpec(rows=8, queue=5), models={"m": special})
    world.write("m", 1)
    world.write("n", 1)

    async def act(world: World) -> None:
        await world.until("m", [1])
        await world.until("n", [1])
        m, n = world.limits["m"], world.limits["n"]
        assert (m.rows, m.queue, m.inline_s) == (2, 5, 0.001)
        assert (n.rows, n.queue, n.inline_s) == (8, 5, 0.005)

    run_world(world, act)
