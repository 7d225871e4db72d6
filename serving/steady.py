"""Whether the shapes of a graph's inputs alone decide how long it runs.

A loop, a branch that values choose, or a tensor whose size is computed from values can take any
time: no measurement of another call of the same shape bounds it. What is not known here counts as
such. A branch that is chosen by what the model has learned is the same one in every call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# How long these take is decided by the shapes of their inputs, or by how long their texts are.
_NAMES = """
Abs Acos Acosh Add AddN AddV2 All Any ApproximateEqual ArgMax ArgMin AsString Asin Asinh Assert
Atan Atan2 Atanh AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd Bitcast
BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil CheckNumerics ClipByValue Concat ConcatOffset
ConcatV2 Const Conv2D Conv3D Cos Cosh Cumprod Cumsum DepthToSpace DepthwiseConv2dNative Div
DivNoNan Einsum Elu EnsureShape Equal Erf Erfc Erfinv Exp ExpandDims Expm1 FakeQuantWithMinMaxArgs
FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Floor FloorDiv FloorMod FusedBatchNorm
FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual HashTable
HashTableV2 Identity IdentityN Invert InvertPermutation IsFinite IsInf IsNan L2Loss LeakyRelu Less
LessEqual Lgamma Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr LookupTableFind
LookupTableFindV2 LookupTableSize LookupTableSizeV2 LowerBound MatMul Max MaxPool MaxPool3D
Maximum Mean Min Minimum Mod Mul MulNoNan Neg NoOp NotEqual OnesLike Pack ParseExample
ParseExampleV2 Placeholder PlaceholderWithDefault Pow PreventGradient Prod Rank ReadVariableOp
RealDiv Reciprocal RegexFullMatch RegexReplace Relu Relu6 Reshape ResourceGather ResourceGatherNd
ReverseV2 Rint Round Rsqrt Select SelectV2 Selu Shape ShapeN Sigmoid Sign Sin Sinh Size Slice
Snapshot Softmax Softplus Softsign SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze
StaticRegexFullMatch StaticRegexReplace StopGradient StridedSlice StringJoin StringLength
StringLower StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong
StringToNumber StringUpper Sub Sum Tan Tanh TopK TopKV2 Transpose TruncateDiv TruncateMod Unpack
UpperBound VarHandleOp VarIsInitializedOp Where Xdivy Xlog1py Xlogy ZerosLike
"""
_BY_SHAPE = frozenset(_NAMES.split())
# These too, unless the input that says how large their output is comes from values.
_BY_SIZE: Mapping[str, tuple[int, ...]] = {
    "BroadcastTo": (1,), "Empty": (0,), "Fill": (0,), "LinSpace": (2,), "MirrorPad": (1,),
    "OneHot": (1,), "Pad": (1,), "PadV2": (1,), "Range": (0, 1, 2), "ResizeBilinear": (1,),
    "ResizeNearestNeighbor": (1,), "Tile": (1,),
}  # fmt: skip
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_BRANCHES = ("If", "StatelessIf")
_SIDES = ("then_branch", "else_branch")
# What is left of a branch that only checks something.
_OF_CHECKS = frozenset(("Assert", "Const", "Identity", "NoOp", "Placeholder"))
_SHAPES = frozenset(("OnesLike", "Rank", "Shape", "ShapeN", "Size", "ZerosLike"))
_MOST_DEPTH = 50
# What an output depends on: nothing that changes, the shapes of the inputs, or their values.
_FIXED, _BY_SHAPES, _BY_VALUES = range(3)


def is_steady(graph: Any, fixed: Iterable[str] = ()) -> bool:
    """Whether only shapes decide how long a graph runs, whatever its inputs' values.

    Args:
      graph: A `GraphDef` with the functions that it calls, its inputs as placeholders.
      fixed: Those of the placeholders that always have the same value.
    """
    functions = {one.signature.name: one for one in graph.library.function}
    given = dict.fromkeys(fixed, _FIXED)
    return _outputs(graph.node, given, functions, 0) is not None


def _outputs(
    nodes: Iterable[Any], given: Mapping[str, int], functions: Mapping[str, Any], depth: int
) -> dict[str, int] | None:
    """What each node's outputs depend on; None if values decide how long one of them runs."""
    left = {node.name: node for node in nodes}
    known = dict(given)
    if depth > _MOST_DEPTH:
        return None
    for node in _in_order(left):
        names = [_node_of(name) for name in node.input if not name.startswith("^")]
        inputs = [known.get(name, _BY_VALUES) for name in names]
        output = _output(node, inputs, functions, depth)
        if output is None:
            return None
        known[node.name] = given.get(node.name, output)
    return known


def _output(node: Any, inputs: list[int], functions: Mapping[str, Any], depth: int) -> int | None:
    if node.op in _CALLS:
        return _called(functions.get(node.attr["f"].func.name), inputs, functions, depth)
    if node.op in _BRANCHES:
        return _branched(node, inputs, functions, depth)
    if node.op in _BY_SIZE:
        sizes = [inputs[place] for place in _BY_SIZE[node.op] if place < len(inputs)]
        return None if _BY_VALUES in sizes else max(inputs)
    if node.op not in _BY_SHAPE:
        return None
    if node.op in ("Placeholder", "PlaceholderWithDefault"):
        return _BY_VALUES
    most = _BY_SHAPES if node.op in _SHAPES else _BY_VALUES
    return min(most, max(inputs, default=_FIXED))


def _branched(node: Any, inputs: list[int], functions: Mapping[str, Any], depth: int) -> int | None:
    branches = [functions.get(node.attr[name].func.name) for name in _SIDES]
    if all(map(_only_checks, branches)):
        return _BY_VALUES
    # Rows count by powers of two: calls of one shape may take either side if shapes choose it.
    if inputs[0] != _FIXED:
        return None
    sides = [_called(branch, inputs[1:], functions, depth) for branch in branches]
    return None if None in sides else max(side for side in sides if side is not None)


def _called(
    function: Any, inputs: list[int], functions: Mapping[str, Any], depth: int
) -> int | None:
    if function is None:
        return None
    names = [argument.name for argument in function.signature.input_arg]
    given = dict(zip(names, inputs, strict=False))
    known = _outputs(function.node_def, given, functions, depth + 1)
    if known is None:
        return None
    outputs = [known.get(_node_of(name), _BY_VALUES) for name in function.ret.values()]
    return max(outputs, default=_FIXED)


def _only_checks(function: Any) -> bool:
    return function is not None and all(node.op in _OF_CHECKS for node in function.node_def)


def _in_order(nodes: dict[str, Any]) -> Iterable[Any]:
    """Each node after those whose outputs it takes."""
    seen: set[str] = set()
    for start in nodes:
        stack = [(start, False)]
        while stack:
            name, ready = stack.pop()
            if ready:
                yield nodes[name]
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [
                    (_node_of(one), False) for one in nodes[name].input if _node_of(one) in nodes
                ]


def _node_of(tensor: str) -> str:
    return tensor.removeprefix("^").split(":", 1)[0]
