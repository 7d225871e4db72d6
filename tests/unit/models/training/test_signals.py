import keras
import numpy as np

from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from models.training.signals import class_shares, layer_movement, silent_units

OUTPUT = OutputSpec("binary", classes=2)
ROWS = {"a": np.linspace(-1, 1, 32, dtype=np.float32).reshape(16, 2)}
LABELS = np.arange(16) % 2


def _network(**spec):
    keras.utils.set_random_seed(4)
    settings = {"units": (8, 8, 8), "batch_norm": False, "dropout": 0.0} | spec
    return build_network(MlpSpec(**settings), [InputSpec("a", "dense", 2)], OUTPUT, keras)


def test_silent_units_are_found_and_the_network_stays_as_it_was():
    network = _network()
    before = network(ROWS).numpy()
    healthy = silent_units(network, ROWS)
    assert len(healthy) == 3
    dense = network.get_layer("block_1")
    dense.bias.assign([-100.0] * 6 + [1.0, 1.0])
    silent = silent_units(network, ROWS)
    assert sum(share >= 0.75 for share in silent.values()) == 1
    dense.bias.assign(np.zeros(8))
    np.testing.assert_array_equal(network(ROWS).numpy(), before)


def test_only_relu_units_can_be_silent():
    assert silent_units(_network(activation="tanh"), ROWS) == {}


def test_the_first_layers_of_a_saturated_network_do_not_move():
    network = _network(activation="tanh")
    healthy = layer_movement(network, OUTPUT, ROWS, LABELS)
    assert len(healthy) == 4
    assert min(healthy.values()) > 1e-3 * max(healthy.values())
    saturated = network.get_layer("block_1")
    saturated.bias.assign([30.0] * 8)
    movement = list(layer_movement(network, OUTPUT, ROWS, LABELS).values())
    assert movement[0] < 1e-4 * movement[3]


def test_shares_of_classes():
    shares = class_shares(["a", "b"], np.array([True, True]), np.array([0, 1]))
    assert shares == {"predicted": {"a": 0.0, "b": 1.0}, "labels": {"a": 0.5, "b": 0.5}}
