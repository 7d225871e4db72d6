"""Techniques that train again leave the rate of a pretrained encoder as it is configured."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tf_keras

from models.compression.spec import ClusteredSpec, PrunedSpec, QatSpec
from models.compression.techniques.clustering import cluster
from models.compression.techniques.pruning import prune
from models.compression.techniques.qat import train_aware
from models.data.dataset import split_of
from models.networks import build_network
from models.tasks import find_task
from models.training.config import TrainerSpec

PIXELS = np.random.default_rng(0).random([32, 8, 8, 1], np.float32)
LABELS = np.arange(32, dtype=np.int64) % 3
TECHNIQUES = {"pruned": (prune, PrunedSpec), "clustered": (cluster, ClusteredSpec),
              "qat": (train_aware, QatSpec)}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The path of a network that another run has left."""
    keras.utils.set_random_seed(1)
    built, _, _ = _network({})
    path = str(tmp_path_factory.mktemp("run") / "network.keras")
    built.save(path)
    return path


def _network(keys):
    encoder = {"kind": "cnn", "filters": [4], **keys}
    photo = {"type": "image", "height": 8, "width": 8, "channels": 1, "encoder": encoder}
    problem = {"task": "multiclass", "label": {"name": "y", "classes": [0, 1, 2]},
               "features": {"photo": photo}}  # fmt: skip
    keys = {"name": "n", "seed": 1, "problem": problem, "costs": {},
            "network": {"kind": "mlp", "units": [4], "batch_norm": False},
            "training": {"batch_size": 16, "epochs": 3}}  # fmt: skip
    trainer = TrainerSpec.model_validate(keys)
    port = trainer.problem.features["photo"].value_port("photo", None)
    output = find_task("multiclass").output(3, LABELS)
    return build_network(trainer.network, [port], output, keras), trainer, port


def _moved(technique, **keys):
    """How far weights are moved by two large steps: of the encoder, and of the other layers."""
    network, trainer, port = _network(keys)
    split = split_of("train", {"photo": PIXELS, "y": LABELS}, "y")
    artifacts = SimpleNamespace(trainer=trainer)
    opened = SimpleNamespace(artifacts=artifacts, inputs=[port], split=lambda name: split)
    apply, spec = TECHNIQUES[technique]
    epochs = {"epochs": 2} if technique == "pruned" else {"epochs": 1}
    before = {weight.path: weight.numpy() for weight in network.weights}
    made, _ = apply(opened, network, spec(weights=technique, learning_rate=0.5, **epochs))
    moved = {w.path: float(np.abs(w.numpy() - before[w.path]).max()) for w in made.weights}
    return tuple(
        {path: step for path, step in moved.items() if path.startswith("photo_image") is encoder}
        for encoder in (True, False)
    )


@pytest.fixture
def traces(monkeypatch):
    """Grows by one with each time that a step of training is traced."""
    traced, step = [], tf_keras.Model.train_step
    monkeypatch.setattr(
        tf_keras.Model, "train_step", lambda self, data: traced.append(self) or step(self, data)
    )
    return traced


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_pretrained_encoder_keeps_its_own_rate(technique, weights, traces):
    encoder, others = _moved(technique, weights=weights, frozen_epochs=1, fine_tune_rate=0.001)
    assert max(others.values()) > 0.4
    assert len(traces) == 1
    # Its weights are pruned, shared or rounded as all others, and hardly trained.
    assert max(encoder.values()) < 0.3
    kept = [step for path, step in encoder.items() if "moving" in path]
    assert kept
    assert not any(kept)


def test_layers_that_training_left_frozen_stay_so(weights):
    encoder, others = _moved("qat", weights=weights, frozen_epochs=3)
    assert max(others.values()) > 0.4
    assert not any(encoder.values())
