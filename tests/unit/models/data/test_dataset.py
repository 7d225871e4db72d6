import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.columns import MISSING_INT
from contracts.errors import ConfigError, ModelError
from models.data import dataset, row_sizes
from models.data.packing import ROW_NUMBERS
from models.data.representation import dense_schema, parse_rows, raw_input_specs
from models.data.targets import column_chunks, file_places, with_targets
from models.features.spec import FeaturesSpec

PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "y"},
        "features": {"x": {"type": "numeric"}, "t": {"type": "categorical"}},
    }
)
ROWS = 250


def _schema():
    schema = schema_pb2.Schema()
    kinds = {"x": "FLOAT", "t": "BYTES", "y": "INT", "key": "BYTES"}
    for name, kind in kinds.items():
        schema.feature.add(name=name, type=schema_pb2.FeatureType.Value(kind))
    return schema


@pytest.fixture
def files(tmp_path):
    for shard in range(2):
        path = str(tmp_path / f"data-{shard}.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for row in range(shard * ROWS // 2, (shard + 1) * ROWS // 2):
                example = tf.train.Example()
                example.features.feature["x"].float_list.value.append(row)
                example.features.feature["y"].int64_list.value.append(row % 2)
                writer.write(example.SerializeToString())
    return dataset.expand([str(tmp_path / "data-*")], "train")


@pytest.fixture
def source():
    def numbers(raw):
        return {"x": raw["x"], "y": raw["y"][:, 0]}

    return dataset.Source(dense_schema(_schema(), PROBLEM), numbers, "y")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    for module in (dataset, row_sizes):
        monkeypatch.setattr(module, "CHUNK_ROWS", 64)


def _epoch(batches):
    return np.concatenate([x["x"].numpy()[:, 0] for x, *_ in batches])


@pytest.mark.parametrize("cache", ["auto", "none"])
def test_every_epoch_has_every_row_once_in_another_order(files, source, cache):
    batches = dataset.train_batches(dataset.load_split("train", files, source, cache, 1), 50, 1)
    first, second = _epoch(batches), _epoch(batches)
    assert len(batches) == 5
    assert sorted(first) == sorted(second) == list(range(ROWS))
    assert (first != second).any()
    assert (first != np.arange(ROWS)).any()


def test_equal_seeds_give_equal_epochs(files, source):
    def epochs(seed):
        split = dataset.load_split("train", files, source, "memory", seed)
        batches = dataset.train_batches(split, 33, seed)
        return np.concatenate([_epoch(batches), _epoch(batches)])

    np.testing.assert_array_equal(epochs(5), epochs(5))
    assert (epochs(5) != epochs(6)).any()


def test_labels_and_weights_stay_with_their_rows(files, source):
    split = dataset.load_split("train", files, source, "auto", 1)
    assert split.rows == ROWS
    for x, y, weight in dataset.train_batches(split, 40, 1, [1.0, 3.0]):
        np.testing.assert_array_equal(x["x"].numpy()[:, 0] % 2, y.numpy())
        np.testing.assert_array_equal(weight.numpy(), 1.0 + 2.0 * y.numpy())


def test_val_keeps_the_files_order(files, source):
    split = dataset.load_split("val", files, source, "auto")
    np.testing.assert_array_equal(_epoch(dataset.ordered_batches(split, 100)), np.arange(ROWS))


def test_a_split_without_files_is_named(tmp_path):
    with pytest.raises(ModelError, match="'val' has no files"):
        dataset.expand([str(tmp_path / "none-*")], "val")


def test_only_the_problems_columns_become_tensors_with_missing_defaults():
    schema = dense_schema(_schema(), PROBLEM)
    specs = raw_input_specs(schema)
    assert set(specs) == {"x", "t", "y"}
    parsed = tf.io.parse_example([tf.train.Example().SerializeToString()], specs)
    assert np.isnan(parsed["x"].numpy()).all()
    assert parsed["t"].numpy().tolist() == [[b""]]
    assert parsed["y"].numpy().tolist() == [[MISSING_INT]]
    assert "y" not in raw_input_specs(schema, frozenset({"y"}))


def test_rows_are_parsed_as_tensorflow_parses_them():
    specs = raw_input_specs(dense_schema(_schema(), PROBLEM))
    full, wrong = tf.train.Example(), tf.train.Example()
    full.features.feature["x"].float_list.value.append(1.5)
    full.features.feature["t"].bytes_list.value.append(b"red")
    full.features.feature["y"].int64_list.value.append(1)
    rows = [example.SerializeToString() for example in (full, tf.train.Example())]
    parsed, expected = parse_rows(rows, specs), tf.io.parse_example(rows, specs)
    assert sorted(parsed) == sorted(expected)
    for name, values in expected.items():
        assert (parsed[name].dtype, parsed[name].shape) == (values.dtype, values.shape)
        np.testing.assert_array_equal(parsed[name], values)
    wrong.features.feature["x"].int64_list.value.append(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Data types don't match"):
        parse_rows([wrong.SerializeToString()], specs)


@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_packed_batches_hold_the_same_rows(files, source, weights):
    split = dataset.load_split("train", files, source, "memory", 1)
    given, packed = (
        [
            *dataset.train_batches(split, 40, 1, weights, packed),
            *dataset.ordered_batches(split, 40, packed),
        ]
        for packed in (False, True)
    )
    for (x, *rest), (matrices, *others) in zip(given, packed, strict=True):
        np.testing.assert_array_equal(split.features(matrices)["x"], x["x"])
        assert list(split.features(matrices)) == list(x)
        for one, other in zip(rest, others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_column_that_does_not_exist_is_named():
    schema = _schema()
    del schema.feature[1]
    with pytest.raises(ConfigError) as caught:
        dense_schema(schema, PROBLEM)
    assert caught.value.where == "features.t"


def test_buffers_hold_a_number_of_bytes_and_not_of_rows(files, source, tmp_path, monkeypatch):
    assert dataset._shuffle_rows(files) == dataset._SHUFFLE_ROWS
    large = str(tmp_path / "large.gz")
    with tf.io.TFRecordWriter(large, "GZIP") as writer:
        for _ in range(20):
            writer.write(bytes(1 << 20))
    rows = dataset._shuffle_rows([large])
    assert rows * (1 << 20) <= dataset._SHUFFLE_BYTES < 2 * rows * (1 << 20)
    split = dataset.load_split("train", files, source, "none", seed=1)
    whole = -(-ROWS // dataset.CHUNK_ROWS)
    assert dataset._shuffle_chunks(split) == whole
    monkeypatch.setattr(dataset, "_SHUFFLE_BYTES", 3 * dataset.CHUNK_ROWS * 12)
    assert dataset._shuffle_chunks(split) == 3
    assert sorted(_epoch(dataset.train_batches(split, 32, seed=1))) == list(range(ROWS))
    cached = dataset.load_split("train", files, source, "memory", seed=1)
    assert dataset._shuffle_chunks(cached) == whole


def test_large_rows_are_read_few_at_a_time(files, source, monkeypatch):
    whole = dataset.load_split("train", files, source, "none")
    read = tf.data.Dataset.batch
    sizes = []
    monkeypatch.setattr(row_sizes, "record_bytes", lambda _: row_sizes.SERIALIZED_BYTES // 10)
    monkeypatch.setattr(
        tf.data.Dataset, "batch", lambda rows, size, **keys: sizes.append(size) or read(rows, size)
    )
    few = dataset.load_split("train", files, source, "none")
    assert set(sizes) == {10}
    pairs = zip(whole.chunks, few.chunks, strict=True)
    for one, other in pairs:
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    monkeypatch.setattr(dataset, "_MEMORY_BYTES", 1000)
    assert dataset.rows_held(files, source, 10_000) < 1000


def test_what_does_not_fit_into_free_memory_is_streamed(files, source, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(dataset, "free_memory_mib", lambda: 1.0)
    assert dataset.load_split("train", files, source, "auto", 1).cached
    monkeypatch.setattr(dataset, "free_memory_mib", lambda: 0.001)
    split = dataset.load_split("train", files, source, "auto", 1)
    assert not split.cached
    assert split.rows == ROWS
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "kept in memory",
        "streamed in every epoch",
    ]
    assert dataset.load_split("train", files, source, "memory", 1).cached


def test_epochs_are_alike_whether_chunks_are_kept_or_streamed(files, source):
    kept, streamed = (
        dataset.load_split("t", files, source, cache, 1) for cache in ("memory", "none")
    )
    for batch, other in zip(
        dataset.train_batches(kept, 50, 1), dataset.train_batches(streamed, 50, 1), strict=True
    ):
        np.testing.assert_array_equal(batch[0]["x"], other[0]["x"])
        np.testing.assert_array_equal(batch[1], other[1])


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_targets_follow_their_rows(files, source, cache):
    split = dataset.load_split("train", files, source, cache, seed=1, numbered=True)
    plain = dataset.load_split("train", files, source, cache, seed=1)
    x, unnumbered = (
        np.concatenate([columns["x"][:, 0] for columns in column_chunks(part)])
        for part in (split, plain)
    )
    np.testing.assert_array_equal(x, unnumbered)
    np.testing.assert_array_equal(file_places(split), x)  # the files hold 0, 1, 2, ...
    taught = with_targets(split, x[:, None] / ROWS)
    assert taught.has_targets
    assert not split.has_targets
    for matrices, label, weight in dataset.train_batches(taught, 50, 1, [1.0, 2.0], packed=True):
        rows = taught.features(matrices)["x"][:, 0]
        np.testing.assert_allclose(taught.targets(matrices)[:, 0], rows / ROWS, rtol=1e-6)
        np.testing.assert_array_equal(label, rows % 2)
        np.testing.assert_array_equal(weight, 1 + rows % 2)
        assert ROW_NUMBERS not in matrices
