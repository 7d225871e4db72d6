"""The file of a Keras network."""

import json
import zipfile

import keras
import numpy as np
import pytest

from models.export.network_file import NETWORK_FILE, save_network
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec


def _network(weight=0.5):
    keras.backend.clear_session()
    output = OutputSpec("binary", classes=2)
    network = build_network(MlpSpec(units=(3,)), [InputSpec("a", "dense", 2)], output, keras)
    network.compile("adam", "binary_crossentropy")
    network.optimizer.build(network.trainable_variables)
    network.set_weights([np.full_like(values, weight) for values in network.get_weights()])
    return network


def test_equal_networks_give_equal_files(tmp_path):
    networks = [_network(), _network(), _network(0.25)]  # all alive: no address is used twice
    paths = [tmp_path / name / NETWORK_FILE for name in "abc"]
    for network, path in zip(networks, paths, strict=True):
        path.parent.mkdir()
        save_network(network, path)
        assert [entry.name for entry in path.parent.iterdir()] == [NETWORK_FILE]
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other
    with zipfile.ZipFile(paths[0]) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert list(json.loads(archive.read("metadata.json"))) == ["keras_version"]


def test_a_saved_network_is_read_back(tmp_path):
    network = _network()
    save_network(network, tmp_path / NETWORK_FILE)
    loaded = keras.models.load_model(tmp_path / NETWORK_FILE)
    rows = {"a": np.ones([2, 2], np.float32)}
    np.testing.assert_array_equal(loaded.predict(rows), network.predict(rows))
    assert len(loaded.optimizer.variables) == len(network.optimizer.variables)


def test_a_failure_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / NETWORK_FILE
    path.write_bytes(b"before")
    network = _network()
    monkeypatch.setattr(network, "save", lambda file: file.write_bytes(b"no archive"))
    with pytest.raises(zipfile.BadZipFile):
        save_network(network, path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
