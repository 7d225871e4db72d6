"""Features by a user's own TF Transform function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from contracts.errors import ModelError
from models.features.kind import FeatureKind
from models.features.ports import InputSpec
from models.user_code import ImportPath, call_function

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors


class PythonSpec(FeatureKind):
    """Numbers that a function makes of raw columns, with what TF Transform learns of them.

    Attributes:
      function: `package.module:function`, beside the config or installed. It is called with a
        dict of raw columns and the options: a number is float32 `[batch, 1]`, NaN where it is
        missing; text is `[batch, 1]`, empty where it is missing. It returns numbers, `[batch]`
        or `[batch, n]`, none of them NaN.
      columns: The raw columns; the feature's own name where there are none.
      options: Its keyword arguments.
    """

    type: str = "python"
    function: ImportPath
    columns: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)

    audit_checks = frozenset()
    slice_key = True

    def raw_columns(self, name: str) -> tuple[str, ...]:
        """Those of the config."""
        return self.columns or (name,)

    def user_code(self) -> dict[str, str]:
        """The function."""
        return {**super().user_code(), "function": self.function}

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Calls each function."""
        outputs: Tensors = {}
        for name, spec in specs.items():
            columns = {column: raw.values(column) for column in spec.raw_columns(name)}
            made = call_function(spec.function, columns, **spec.options)
            outputs[name] = _as_numbers(made, spec.function)
        return outputs

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """As many numbers as the function gives."""
        (size,) = learned.shape(name)
        return InputSpec(name, "dense", size)


def _as_numbers(made: Any, function: str) -> Any:
    import tensorflow as tf

    is_dense = isinstance(made, tf.Tensor) and made.dtype != tf.string
    shape = made.shape if is_dense else None
    if shape is None or shape.rank not in (1, 2) or (shape.rank == 2 and shape[1] is None):
        raise ModelError(
            f"your function {function} does not return the numbers of a feature",
            where=function,
            expected="a tensor of numbers, [batch] or [batch, n] with n known",
            received=f"{made.dtype.name} {made.shape}" if hasattr(made, "shape") else repr(made),
            fix="correct what the function returns, then `kelp run` again",
        )
    numbers = tf.cast(made, tf.float32)
    return tf.expand_dims(numbers, axis=1) if shape.rank == 1 else numbers
