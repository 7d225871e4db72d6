"""Transfer: an encoder pretrained on the digits 0-4, tuned on 5-9 with few labels a class.

    python -m bench.transfer data/digits

Each repetition draws other labelled images; both networks get the same ones, and both are asked
about other images of 5-9: those of the half by which the rate of the encoder was not chosen. The
interval is that of the mean gain over repetitions.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_LABELS = 20
_CLASSES = 5
_HALVES = 99  # the seed that parts the images of 5-9
_TEACH = {
    "epochs": 15, "batch_size": 64, "early_stopping": None,
    "optimizer": {"learning_rate": 0.003, "weight_decay": 0.05},
}  # fmt: skip
_TUNE = {**_TEACH, "epochs": 60, "batch_size": 20, "optimizer": {"learning_rate": 0.003}}


def load(folder: Path) -> tuple[Array, Array]:
    """Gives the pixels, 0 to 1, and the digits of a folder of class folders."""
    from PIL import Image

    files = sorted(folder.glob("[0-9]/*.png"))
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])[..., None] / 255
    return pixels.astype(np.float32), np.array([int(file.parent.name) for file in files])


def learn(
    pixels: Array, labels: Array, settings: dict[str, Any], seed: int, weights: str = "none"
) -> Any:
    """Fits the network of configs/digits.yaml on some images."""
    import keras

    from models.data.dataset import ordered_batches, split_of, train_batches
    from models.features.image import ImageSpec
    from models.networks import build_network
    from models.networks.mlp import MlpSpec
    from models.tasks import find_task
    from models.training.augmentation import Augmentation
    from models.training.config import TrainingSpec
    from models.training.fine_tuning import FineTuning
    from models.training.fitting import compile_model, fit

    keras.utils.set_random_seed(seed)
    encoder = {
        "filters": [16, 32, 64], "weights": weights, "frozen_epochs": 10, "fine_tune_rate": 1.0
    }  # fmt: skip
    augment = {"rotation": 10, "zoom": 0.1, "shift": 0.08}
    keys = {"height": 28, "width": 28, "channels": 1, "encoder": encoder, "augment": augment}
    port = ImageSpec.model_validate(keys).value_port("image", None)  # type: ignore[arg-type]
    output = find_task("multiclass").output(_CLASSES, labels)
    network = build_network(MlpSpec(units=(64,), dropout=0.2), [port], output, keras)
    spec = TrainingSpec.model_validate(settings)
    split = split_of("train", {"image": pixels, "y": labels}, "y")
    steps = -(-len(labels) // spec.batch_size)
    model = compile_model(
        network,
        output,
        spec,
        steps,
        split.features,
        augmentation=Augmentation([port]),
        tuning=FineTuning(network, [port], steps),
    )
    batches = train_batches(split, spec.batch_size, seed, packed=True)
    fit(model, batches, ordered_batches(split, packed=True), spec, None)
    return network


def accuracy(network: Any, pixels: Array, labels: Array) -> float:
    """The share of images whose digit is right."""
    predicted = network.predict({"image": pixels}, verbose=0, batch_size=512).argmax(axis=1)
    return float((predicted == labels).mean())


def compare(folder: Path, repetitions: int) -> tuple[Array, Array]:
    """Gives the accuracies with the pretrained encoder and from scratch, by repetition."""
    pixels, digits = load(folder)
    first, others = digits < _CLASSES, digits >= _CLASSES
    pretrained: list[float] = []
    scratch: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        path = str(Path(place) / "network.keras")
        learn(pixels[first], digits[first], _TEACH, seed=0).save(path)
        pixels, labels = pixels[others], digits[others] - _CLASSES
        held_out = np.random.default_rng(_HALVES).permutation(len(labels))[len(labels) // 2 :]
        for seed in range(repetitions):
            generator = np.random.default_rng(seed)
            chosen = np.concatenate(
                [
                    generator.choice(np.flatnonzero(labels == label), _LABELS, replace=False)
                    for label in range(_CLASSES)
                ]
            )
            rest = np.setdiff1d(held_out, chosen)
            for scores, weights in ((pretrained, path), (scratch, "none")):
                network = learn(pixels[chosen], labels[chosen], _TUNE, seed, weights)
                scores.append(accuracy(network, pixels[rest], labels[rest]))
            print(f"{seed}: {pretrained[-1]:.4f} pretrained, {scratch[-1]:.4f} from scratch")
    return np.array(pretrained), np.array(scratch)


def main() -> None:
    """Prints the gain and its interval."""
    from scipy import stats

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repetitions", type=int, default=10)
    arguments = parser.parse_args()
    pretrained, scratch = compare(arguments.folder, arguments.repetitions)
    gain = pretrained - scratch
    reach = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    print(
        f"accuracy on 5-9 from {_LABELS} labels a class: {pretrained.mean():.4f} pretrained on "
        f"0-4, {scratch.mean():.4f} from scratch, gain {gain.mean():+.4f} "
        f"[{gain.mean() - reach:+.4f}, {gain.mean() + reach:+.4f}], {len(gain)} repetitions"
    )


if __name__ == "__main__":
    main()
