"""Which model the candidate is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ml_metadata as mlmd
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types.artifact import Artifact

_BLESSED = "blessed"
_CURRENT = "current_model_id"
_BASELINE = "baseline_model_id"


class LastBlessedBefore(ResolverStrategy):
    """Resolves `model` to the last blessed model that is not the candidate itself.

    TFX's LatestBlessedModelStrategy resolves, once the candidate is blessed, to the
    candidate: an unchanged second run would evaluate again, a model against itself. Here
    such a run gets the baseline that the candidate was blessed against.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: Mapping[str, Sequence[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Gives `{"model": [baseline]}`, or an empty list where nothing was blessed yet."""
        del store
        candidates = input_dict.get("candidate", [])
        chosen = baseline_id(
            candidates[0].id if candidates else None,
            [
                (
                    blessing.get_int_custom_property(_CURRENT),
                    blessing.get_int_custom_property(_BASELINE) or None,
                )
                for blessing in sorted(input_dict.get("blessing", []), key=lambda item: item.id)
                if blessing.get_int_custom_property(_BLESSED) == 1
            ],
        )
        models = [model for model in input_dict.get("model", []) if model.id == chosen]
        return {"model": models, "blessing": [], "candidate": []}


def baseline_id(candidate: int | None, blessings: Sequence[tuple[int, int | None]]) -> int | None:
    """Picks the baseline's artifact id.

    Args:
      candidate: The candidate's artifact id.
      blessings: The (model, its baseline) ids of each blessing, oldest first.
    """
    if not blessings:
        return None
    model, its_baseline = blessings[-1]
    return its_baseline if model == candidate else model
