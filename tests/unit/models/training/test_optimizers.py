import keras
import numpy as np
import pytest
import tensorflow as tf

from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from models.training.config import ScheduleSpec, TrainingSpec
from models.training.fine_tuning import TunedWeight
from models.training.optimizers import build_optimizer
from models.training.schedules import CosineRestarts, OneCycle


def _network():
    inputs = [InputSpec("a", "dense", 2), InputSpec("town", "embedding", 30)]
    return build_network(MlpSpec(units=(4, 3)), inputs, OutputSpec("regression"), keras)


def _spec(**optimizer):
    return TrainingSpec.model_validate({"optimizer": optimizer, "schedule": {"kind": "constant"}})


def test_muon_moves_the_hidden_matrices_and_adamw_the_rest():
    network = _network()
    optimizer = build_optimizer(_spec(kind="muon", weight_decay=0.1), 10, network)
    by_muon = {w.path for w in network.trainable_weights if not optimizer._should_use_adamw(w)}
    assert len(by_muon) == 2
    assert all("block_" in path and path.endswith("kernel") for path in by_muon)
    assert optimizer.adam_weight_decay == optimizer.weight_decay == 0.1


def test_muon_without_the_network_is_refused():
    with pytest.raises(ValueError, match="needs the network"):
        build_optimizer(_spec(kind="muon"), 10)


def test_lion_decays_weights_and_nesterov_reaches_sgd():
    assert build_optimizer(_spec(kind="lion", weight_decay=0.2), 10).weight_decay == 0.2
    assert build_optimizer(_spec(kind="sgd", nesterov=True), 10).nesterov
    assert not build_optimizer(_spec(kind="sgd"), 10).nesterov


def test_accumulated_batches_take_the_step_of_one_large_batch():
    gradients = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)
    weights = {}
    for accumulate, batches in ((1, [gradients.mean(axis=0)]), (2, list(gradients))):
        variable = keras.Variable([0.5, 0.5])
        optimizer = build_optimizer(
            _spec(kind="sgd", learning_rate=0.1, clip_norm=1.0, accumulate=accumulate), 10
        )
        for gradient in batches:
            optimizer.apply([tf.constant(gradient)], [variable])
        weights[accumulate] = variable.numpy()
    np.testing.assert_allclose(weights[2], weights[1], rtol=1e-6)
    assert not np.allclose(weights[2], 0.5)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "lion", "muon"])
def test_tuned_weights_learn_at_a_rate_of_their_own_to_the_last_bit(kind):
    def learned(weight_decay, rate, *tuned, steps=4):
        """The weights after some steps, by path."""
        keras.utils.clear_session()  # which numbers the layers
        keras.utils.set_random_seed(1)
        network = _network()
        spec = _spec(kind=kind, learning_rate=rate, weight_decay=weight_decay)
        weights = {weight.path: weight for weight in network.trainable_weights}
        tuned = [TunedWeight(weights[path], frozen, share) for path, frozen, share in tuned]
        optimizer = build_optimizer(spec, 10, network, tuned)
        draws = np.random.default_rng(0)
        for _ in range(steps):
            gradients = [draws.normal(size=weight.shape) for weight in weights.values()]
            optimizer.apply([tf.constant(one, tf.float32) for one in gradients], weights.values())
        return {path: weight.numpy() for path, weight in weights.items()}

    slower, frozen = "block_1/kernel", "block_0/kernel"
    start, whole, halved = learned(0.1, 0.02, steps=0), learned(0.1, 0.02), learned(0.0, 0.01)
    together = learned(0.1, 0.02, (slower, 0, 0.5), (frozen, 4, 1.0))
    assert np.abs(halved[slower] - start[slower]).max() > 0
    np.testing.assert_array_equal(together.pop(slower), halved[slower])
    np.testing.assert_array_equal(together.pop(frozen), start[frozen])
    for path, weight in together.items():
        np.testing.assert_array_equal(weight, whole[path])


def test_the_schedule_counts_accumulated_steps():
    spec = TrainingSpec.model_validate(
        {"epochs": 4, "optimizer": {"learning_rate": 1.0, "accumulate": 5}}
    )
    rate = build_optimizer(spec, 10)._learning_rate
    assert float(rate(2)) == pytest.approx(1.0)
    assert float(rate(8)) == pytest.approx(0.01)


def test_one_cycle_rises_to_the_peak_and_falls():
    rate = OneCycle(2.0, total_steps=100, rise=0.3, start=0.04, final=0.01)
    values = [float(rate(step)) for step in (0, 15, 30, 65, 100, 120)]
    assert values == pytest.approx([0.08, 1.04, 2.0, 1.01, 0.02, 0.02], rel=1e-4)


@pytest.mark.parametrize(("growth", "starts"), [(1.0, (20, 30, 40)), (2.0, (20, 40, 80))])
def test_cosine_restarts_at_the_peak(growth, starts):
    rate = CosineRestarts(1.0, warm_steps=10, cycle_steps=10, growth=growth, final=0.1)
    assert float(rate(0)) == 0.0
    assert float(rate(5)) == pytest.approx(0.5)
    assert float(rate(10)) == pytest.approx(1.0)
    assert float(rate(15)) == pytest.approx(0.55)
    for start in starts:
        assert float(rate(start)) == pytest.approx(1.0, abs=1e-3)
        assert float(rate(start - 0.01)) == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("kind", ["one_cycle", "cosine_restarts"])
def test_the_config_reaches_the_new_schedules(kind):
    spec = TrainingSpec(epochs=30, schedule=ScheduleSpec(kind=kind))
    rate = build_optimizer(spec, 10)._learning_rate
    assert rate.get_config()["peak"] == 1e-3
    rates = [float(rate(step)) for step in range(0, 300, 10)]
    assert max(rates) == pytest.approx(1e-3, rel=0.01)
    assert min(rates) < 1e-4


def test_warm_up_may_not_be_the_whole_fit():
    with pytest.raises(ValueError, match="leaves nothing of 1 epochs"):
        TrainingSpec(epochs=1, schedule=ScheduleSpec(kind="cosine_restarts"))
