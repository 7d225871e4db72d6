import keras
import numpy as np

from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from models.tasks import find_task
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
    assert len(healthy) == 3
    assert min(healthy.values()) > 1e-3 * max(healthy.values())
    saturated = network.get_layer("block_1")
    saturated.bias.assign([30.0] * 8)
    movement = list(layer_movement(network, OUTPUT, ROWS, LABELS).values())
    assert movement[0] < 1e-4 * movement[2]


def test_the_head_is_no_hidden_layer_where_it_is_nested_either():
    network = _network()
    nested = keras.layers.Flatten()(network({"a": network.inputs[0]}))
    for model in (network, keras.Model({"a": network.inputs[0]}, nested)):
        layers = list(layer_movement(model, OUTPUT, ROWS, LABELS))
        assert layers == ["block_0", "block_1", "block_2"]


def test_a_forecast_has_a_head_for_each_level():
    output = OutputSpec("forecast", horizon=3, quantiles=(0.1, 0.5, 0.9))
    values = keras.Input((2,), name="a")
    hidden = keras.layers.Dense(4, name="hidden")(values)
    network = keras.Model({"a": values}, find_task("forecast").head(output, keras.layers)(hidden))
    labels = np.zeros((16, 3), np.float32)
    assert list(layer_movement(network, output, ROWS, labels)) == ["hidden"]


def test_shares_of_classes():
    shares = class_shares(["a", "b"], np.array([True, True]), np.array([0, 1]))
    assert shares == {"predicted": {"a": 0.0, "b": 1.0}, "labels": {"a": 0.5, "b": 0.5}}
