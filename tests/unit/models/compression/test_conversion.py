"""Conversions start from the same random numbers in every process."""

from types import SimpleNamespace

import keras
import pytest

from models.compression.formats import conversion, savedmodel


@pytest.fixture
def drawn(monkeypatch):
    """The seeds that a layer of dropout would have in each conversion."""
    seeds = []

    def write(precision, opened, folder):
        seeds.append(keras.random.SeedGenerator().state.numpy().tolist())

    opened = SimpleNamespace(artifacts=SimpleNamespace(trainer=SimpleNamespace(seed=7)))
    monkeypatch.setattr(conversion.TrainingArtifacts, "model_validate", lambda given: given)
    monkeypatch.setattr(conversion, "open_artifacts", lambda _: opened)
    monkeypatch.setattr(savedmodel, "write_savedmodel", write)
    return seeds


def test_a_network_without_seeds_gets_the_same_ones_each_time(drawn, tmp_path):
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)  # as another process would have them
        conversion.run(
            conversion.conversion_request("savedmodel_float32", _Nothing(), tmp_path, {})
        )
    assert drawn[0] == drawn[1]


class _Nothing:
    """Stands for training artifacts, which are not opened."""

    def model_dump(self, mode):
        return {}
