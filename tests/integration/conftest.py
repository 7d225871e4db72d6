"""Small trained problems, of which every test process uses the same."""

import functools

import pytest

from tests.fixtures.build_once import build_once


@pytest.fixture(scope="session")
def worlds(shared_folder):
    """By case: a problem on disk, such as those of tests/fixtures/toy_world.py."""
    from tests.fixtures.mixed_world import MixedWorld
    from tests.fixtures.text_world import TextWorld
    from tests.fixtures.toy_variants import Digits
    from tests.fixtures.toy_world import World

    own = {"digits": Digits, "texts": TextWorld, "mixed": MixedWorld}

    def make(case):
        build = own.get(case, functools.partial(World, case))
        return build_once(shared_folder / case, build)

    return functools.cache(make)


@pytest.fixture(scope="session")
def trained(worlds, shared_folder):
    """By case: the folders of the model and of the run of a small trained network."""
    return functools.cache(
        lambda case: build_once(shared_folder / f"trained-{case}", worlds(case).train_in)
    )


@pytest.fixture(scope="session")
def materials(worlds, trained):
    """By case: what compression needs of the trained network, and its golden rows."""
    from tests.fixtures.toy_variants import training_artifacts

    def make(case):
        _, run = trained(case)
        return training_artifacts(worlds(case), run), run / "golden"

    return functools.cache(make)


@pytest.fixture(scope="session")
def converted(materials, shared_folder):
    """By case and form: the folder of the trained network in a format. Nobody may change it."""
    from tests.fixtures.toy_variants import convert_to

    def make(case, form):
        folder = shared_folder / f"{form}-{case}"
        artifacts, _ = materials(case)
        build_once(folder, functools.partial(convert_to, form, artifacts))
        return folder

    return functools.cache(make)
