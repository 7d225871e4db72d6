"""One form for the graph of a SavedModel: equal models give equal files in every process.

TensorFlow and TF Transform copy functions in the order of sets of objects, which is the order of
their addresses in memory; they number the inputs of the transform graph in the order of a map of
protobuf's, which is another in each process; and they name the tables of a vocabulary by the
temporary file that it was read from. None of it changes what a model answers.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model import fingerprinting_utils

GRAPH_FILE = "saved_model.pb"

_SHARED_NAME = "shared_name"
_TABLE = "HashTable"  # variables share by name too: the paths of layers, which stay
_FOLDER = re.compile(rb"(?<=b')[^']*/|/.*/")  # in quotes as a tensor's value, or as it stands
# As TF Transform names its inputs, and the identity behind each.
_INPUT = re.compile(r"inputs(_\d+)?")
_COPY = "_copy"


def write_canonical_graph(folder: Path) -> None:
    """Brings the graph of a SavedModel into one order, and computes its fingerprint again.

    Args:
      folder: The SavedModel.
    """
    path = folder / GRAPH_FILE
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        sort_graph(meta_graph.graph_def)
        name_tables(meta_graph.graph_def)
    path.write_bytes(saved.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(str(folder))


def sort_graph(graph: graph_pb2.GraphDef) -> None:
    """Sorts functions by name, and nodes so that each follows its inputs; ties by name.

    Before, the inputs of the transform graph are numbered by their place.
    """
    _sort_nodes(graph.node)
    library = graph.library
    for function in library.function:
        _number_inputs(function)
        _sort_nodes(function.node_def)
    library.function.sort(key=lambda function: function.signature.name)
    library.gradient.sort(key=lambda gradient: gradient.function_name)
    library.registered_gradients.sort(key=lambda gradient: gradient.registered_op_type)


def name_tables(graph: graph_pb2.GraphDef) -> None:
    """Takes folders out of the names under which nodes share a hash table.

    Names that differ stay different: nodes share what they shared before, and nothing else.

    Args:
      graph: The graph, in its order.
    """
    attributes = [
        node.attr[_SHARED_NAME]
        for node in _all_nodes(graph)
        if _TABLE in node.op and _SHARED_NAME in node.attr
    ]
    names = dict.fromkeys(attribute.s for attribute in attributes)
    taken = {name for name in names if b"/" not in name}
    new_names: dict[bytes, bytes] = {}
    for name in names:
        new_names[name] = _free_name(_without_folder(name), taken) if b"/" in name else name
        taken.add(new_names[name])
    for attribute in attributes:
        attribute.s = new_names[attribute.s]


def _without_folder(name: bytes) -> bytes:
    """`hash_table_/tmp/x/words_-2_-1` becomes `hash_table_words_-2_-1`."""
    return _FOLDER.sub(b"", name, count=1)


def _free_name(name: bytes, taken: set[bytes]) -> bytes:
    free, number = name, 1
    while free in taken:
        number += 1
        free = b"%s_%d" % (name, number)
    return free


def _all_nodes(graph: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _number_inputs(function: function_pb2.FunctionDef) -> None:
    """Numbers arguments `inputs`, `inputs_1` and so on, and their copies, by their place."""
    arguments = [one for one in function.signature.input_arg if _INPUT.fullmatch(one.name)]
    numbered = [f"inputs_{place}" if place else "inputs" for place in range(len(arguments))]
    before = [argument.name for argument in arguments]
    if before == numbered or set(before) != set(numbered):
        return
    names = dict(zip(before, numbered, strict=True))
    names |= {old + _COPY: new + _COPY for old, new in names.items()}
    for argument in arguments:
        argument.name = names[argument.name]
    for node in function.node_def:
        node.name = names.get(node.name, node.name)
        for place, given in enumerate(node.input):
            node.input[place] = _renamed(given, names)
    for returned in (function.ret, function.control_ret):
        for name, value in returned.items():
            returned[name] = _renamed(value, names)


def _renamed(given: str, names: Mapping[str, str]) -> str:
    source = _source(given)
    return given.replace(source, names[source], 1) if source in names else given


def _sort_nodes(nodes: Any) -> None:
    for node in nodes:
        # Control inputs come last, and their order means nothing.
        node.input.sort(key=lambda given: given if given.startswith("^") else "")
    ranks = _topological_ranks({node.name: set(map(_source, node.input)) for node in nodes})
    nodes.sort(key=lambda node: ranks[node.name])


def _source(given: str) -> str:
    """The node that an input names: `node`, `node:1`, `node:output:1` or `^node`."""
    return given.removeprefix("^").partition(":")[0]


def _topological_ranks(sources: Mapping[str, set[str]]) -> dict[str, int]:
    """The place of each node; sources that are no node, such as arguments, do not count."""
    followers: dict[str, list[str]] = {name: [] for name in sources}
    missing = {name: len(found & sources.keys()) for name, found in sources.items()}
    for name, found in sources.items():
        for source in found & sources.keys():
            followers[source].append(name)
    ready = [name for name, count in missing.items() if not count]
    heapq.heapify(ready)
    ranks: dict[str, int] = {}
    while ready:
        name = heapq.heappop(ready)
        ranks[name] = len(ranks)
        for follower in followers[name]:
            missing[follower] -= 1
            if not missing[follower]:
                heapq.heappush(ready, follower)
    # The loops of version 1 have no such order.
    for name in sorted(sources.keys() - ranks.keys()):
        ranks[name] = len(ranks)
    return ranks
