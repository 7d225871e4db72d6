"""Equal models in any order of their graphs become equal files, and answer as before."""

import random
import shutil

import pytest
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2

from models.export.canonical_graph import (
    GRAPH_FILE,
    name_tables,
    sort_graph,
    write_canonical_graph,
)
from models.export.saved_model import save_module

WORDS = tf.constant(["b", "c", "?"])
NUMBERS = tf.constant([[1.0, -2.0], [0.5, 3.0], [0.0, 0.0]])


class _TwoTables(tf.Module):
    """Two vocabularies, a weight and an activation with a gradient of its own."""

    def __init__(self, folder):
        super().__init__()
        self.weight = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
        self.tables = [_table(folder / name, lines) for name, lines in VOCABULARIES.items()]

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None, 2], tf.float32)],
        autograph=False,
    )
    def serve(self, words, numbers):
        ids = [tf.cast(table.lookup(words), tf.float32) for table in self.tables]
        return {"y": tf.nn.silu(numbers @ self.weight) + tf.stack(ids, axis=1)}


VOCABULARIES = {"first/words": "a\nb\n", "second/words": "c\nb\na\n"}


def _table(path, lines):
    path.parent.mkdir(parents=True)
    path.write_text(lines)
    index = tf.lookup.TextFileIndex
    read = tf.lookup.TextFileInitializer(
        str(path), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    return tf.lookup.StaticHashTable(read, -1)


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return _TwoTables(tmp_path_factory.mktemp("vocabularies"))


@pytest.fixture(scope="module")
def saved(module, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_module(module, folder, {"serving_default": module.serve})
    return folder


def _permuted(source, folder, seed):
    """A copy whose nodes, functions and control inputs stand in another order."""
    shutil.copytree(source, folder)
    draw = random.Random(seed)
    model = _read(folder)
    graph = model.meta_graphs[0].graph_def
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        _shuffle(nodes, draw)
        for node in nodes:
            controls = [given for given in node.input if given.startswith("^")]
            values = [given for given in node.input if not given.startswith("^")]
            node.input[:] = [*values, *draw.sample(controls, len(controls))]
            _in_folder(node, f"/tmp/{seed}/")
    _shuffle(graph.library.function, draw)
    _shuffle(graph.library.registered_gradients, draw)
    (folder / GRAPH_FILE).write_bytes(model.SerializeToString())
    return folder


def _shuffle(messages, draw):
    messages.sort(key=lambda _: draw.random())


def _in_folder(node, folder):
    """Names a table as TF Transform does, by where its words were."""
    if node.op == "HashTableV2":
        name = node.attr["shared_name"].s.decode()
        place = "second/" if name.endswith("_2") else "first/"
        name = name.removesuffix("_2").removeprefix("hash_table_")
        node.attr["shared_name"].s = f"hash_table_{folder}{place}{name}".encode()


def _read(folder):
    return saved_model_pb2.SavedModel.FromString((folder / GRAPH_FILE).read_bytes())


def _tables(folder):
    graph = _read(folder).meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return [node.attr["shared_name"].s for node in nodes if node.op == "HashTableV2"]


def test_equal_models_give_equal_files(saved, tmp_path):
    copies = [_permuted(saved, tmp_path / str(seed), seed) for seed in (1, 2)]
    assert (copies[0] / GRAPH_FILE).read_bytes() != (copies[1] / GRAPH_FILE).read_bytes()
    written = []
    for copy in copies:
        write_canonical_graph(copy)
        (copy / "fingerprint.pb").unlink()
        written.append((copy / GRAPH_FILE).read_bytes())
    assert written == [(saved / GRAPH_FILE).read_bytes()] * 2


def test_answers_and_tables_stay(module, saved, tmp_path):
    copy = _permuted(saved, tmp_path / "copy", 3)
    write_canonical_graph(copy)
    expected = module.serve(WORDS, NUMBERS)["y"].numpy().tolist()
    loaded = tf.saved_model.load(str(copy))
    served = loaded.signatures["serving_default"](words=WORDS, numbers=NUMBERS)["y"]
    assert served.numpy().tolist() == expected
    tf.saved_model.save(loaded, str(tmp_path / "again"))
    # As a server in C++ loads it: by the graph and its initialiser alone.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(copy))
        signature = meta_graph.signature_def["serving_default"]
        given = {"words": ["b", "c", "?"], "numbers": [[1.0, -2.0], [0.5, 3.0], [0.0, 0.0]]}
        fed = {signature.inputs[name].name: value for name, value in given.items()}
        assert session.run(signature.outputs["y"].name, fed).tolist() == expected


def test_tables_of_two_folders_stay_apart(saved):
    assert set(_tables(saved)) == {b"hash_table_words_-2_-1", b"hash_table_words_-2_-1_2"}


def test_each_node_follows_its_inputs_and_ties_go_by_name():
    graph = graph_pb2.GraphDef()
    for name, inputs in {"z": ["a:1", "^m"], "m": ["c"], "c": [], "a": ["b"], "b": []}.items():
        graph.node.add(name=name, op="NoOp", input=inputs)
    sort_graph(graph)
    assert [node.name for node in graph.node] == ["b", "a", "c", "m", "z"]


def test_inputs_of_the_transform_graph_are_numbered_by_their_place():
    graph = graph_pb2.GraphDef()
    for order in ((2, 0, 1), (0, 1, 2)):
        names = [f"inputs_{place}" if place else "inputs" for place in order]
        function = graph.library.function.add()
        for name in names:
            function.signature.input_arg.add(name=name)
            function.node_def.add(name=f"{name}_copy", op="Identity", input=[name])
        copies = [f"{name}_copy:output:0" for name in names]
        function.node_def.add(name="add", op="AddN", input=[*copies, f"^{names[0]}_copy"])
        function.ret["copied"] = copies[0]
        function.control_ret["done"] = f"{names[1]}_copy"
    sort_graph(graph)
    first, second = graph.library.function
    assert first == second
    assert [argument.name for argument in first.signature.input_arg] == [
        "inputs",
        "inputs_1",
        "inputs_2",
    ]
    assert first.ret == {"copied": "inputs_copy:output:0"}
    assert first.control_ret == {"done": "inputs_1_copy"}


def test_a_loop_is_sorted_by_name():
    graph = graph_pb2.GraphDef()
    for name, inputs in {"y": ["x"], "x": ["y", "b"], "b": []}.items():
        graph.node.add(name=name, op="NoOp", input=inputs)
    sort_graph(graph)
    assert [node.name for node in graph.node] == ["b", "x", "y"]


def test_names_without_a_folder_are_kept():
    graph = graph_pb2.GraphDef()
    tensor = b"table_tf.Tensor(b'a/b/words', shape=())_-2"
    for name in (b"/tmp/a/words", b"words", b"", b"/tmp/b/words", b"/tmp/a/words", tensor):
        graph.node.add(op="HashTableV2").attr["shared_name"].s = name
    graph.node.add(op="NoOp")
    name_tables(graph)
    names = [node.attr["shared_name"].s for node in graph.node if node.op != "NoOp"]
    assert names[:5] == [b"words_2", b"words", b"", b"words_3", b"words_2"]
    assert names[5] == b"table_tf.Tensor(b'words', shape=())_-2"


def test_variables_keep_the_paths_of_their_layers():
    graph = graph_pb2.GraphDef()
    for name in (b"attention/query/bias", b"attention/key/bias", b"dense/bias"):
        graph.node.add(op="VarHandleOp").attr["shared_name"].s = name
    before = graph.SerializeToString(deterministic=True)
    name_tables(graph)
    assert graph.SerializeToString(deterministic=True) == before
