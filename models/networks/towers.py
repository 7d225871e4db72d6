"""One tower of hidden layers or several beside each other, and a linear path beside them.

The mean of members' scores is one dense layer over their last hidden layers side by side: an
ensemble is one plain graph. That each member is trained by its own loss is the business of
models/training/members.py; it finds them by the layer `mean_of_members`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from models.networks import parts
from models.networks.hidden import HiddenSpec, scaled
from models.networks.kind import narrow_conflict
from models.networks.ports import InputSpec, OutputSpec

MEAN_LAYER = "mean_of_members"

Tower = Callable[[Any, str], Any]
"""From a tensor and the prefix of the layers' names to the last hidden tensor."""


class TowerSpec(HiddenSpec):
    """What networks of towers have in common.

    Attributes:
      linear_path: Whether the head also takes the features as they are (wide and deep); the
        penalties `l1` and `l2` are then the head's, too.
      members: How many networks are trained together on the same batches and averaged.
      sharing: What members share: nothing, or all hidden layers, so that each has only a scale
        for every feature and a head of its own (TabM's cheap form).
    """

    linear_path: bool = False
    members: int = Field(1, ge=1, le=64)
    sharing: Literal["none", "shared"] = "none"

    @model_validator(mode="after")
    def _several_share(self) -> Self:
        if self.sharing == "shared" and self.members == 1:
            raise ValueError("sharing: shared needs several members; members is 1")
        return self

    def student(self, scale: float, members: int | None) -> Self:
        """Narrower layers, and as many members as are asked for."""
        kept = self.members if members is None else members
        sharing = self.sharing if kept > 1 else "none"
        units = scaled(self.units, scale)
        return self.model_copy(update={"units": units, "members": kept, "sharing": sharing})

    def student_conflict(self, scale: float, members: int | None) -> str | None:
        """A layer that is too narrow, or as many members as before."""
        if members is None or members < self.members:
            return narrow_conflict(self.units, scale)
        return f"the network has {self.members} members, and a student of {members} has no fewer"


def build_towers(
    spec: TowerSpec,
    inputs: Sequence[InputSpec],
    output: OutputSpec,
    keras_module: Any,
    tower: Tower,
) -> Any:
    """Builds a network of as many towers as the spec has members; see `NetworkKind.build`."""
    layers = keras_module.layers
    entries, joined = parts.joined_features(inputs, keras_module)
    hidden = tower(joined, "") if spec.members == 1 else _mean(spec, joined, keras_module, tower)
    penalty = None
    if spec.linear_path:
        hidden = layers.Concatenate(name="wide_and_deep")([hidden, joined])
        penalty = parts.penalty(spec.l1, spec.l2, keras_module)
    kernel = {"kernel_regularizer": penalty} if penalty is not None else {}
    outputs = parts.head(output, layers, **kernel)(hidden)
    return keras_module.Model(inputs=entries, outputs=outputs)


def _mean(spec: TowerSpec, joined: Any, keras_module: Any, tower: Tower) -> Any:
    """The members' last hidden tensors side by side, each as much as its share in the mean."""
    layers = keras_module.layers
    if spec.sharing == "shared":
        views = _views(joined, spec.members, keras_module)
        hidden = layers.Flatten(name="members")(tower(views, ""))
    else:
        towers = [tower(joined, f"member_{member}_") for member in range(spec.members)]
        hidden = layers.Concatenate(name="members")(towers)
    return layers.Rescaling(1 / spec.members, name=MEAN_LAYER)(hidden)


def _views(joined: Any, members: int, keras_module: Any) -> Any:
    """Each member's own scale for every feature: `[batch, members, width]`.

    A depthwise convolution of one pixel is this product in layers that every tool knows.
    """
    layers = keras_module.layers
    width = joined.shape[-1]
    scales = layers.DepthwiseConv2D(
        1,
        depth_multiplier=members,
        use_bias=False,
        depthwise_initializer=keras_module.initializers.RandomNormal(stddev=1.0),
        name="member_scales",
    )
    pixels = layers.Reshape([1, 1, width], name="member_rows")(joined)
    columns = layers.Reshape([width, members], name="member_columns")(scales(pixels))
    return layers.Permute([2, 1], name="member_views")(columns)
