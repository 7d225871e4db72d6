"""Weight clustering: every layer's weights share a few values, so that the file packs well."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

from models.compression.spec import ClusteredSpec
from models.compression.techniques.legacy import Bench, Weights, fine_tune, under_tf_keras


@under_tf_keras
def cluster(bench: Bench, spec: ClusteredSpec) -> Weights:
    """Clusters every layer that has a matrix with more distinct weights than clusters.

    Returns:
      The stripped model under tf_keras, and the history.
    """
    from tensorflow_model_optimization import clustering as tfmot_clustering

    clustering = tfmot_clustering.keras
    layers = tf_keras.layers
    kinds = (layers.Dense, layers.Conv2D, layers.Conv1D, layers.Embedding)
    start = clustering.CentroidInitialization.LINEAR

    def wrap(layer: Any) -> Any:
        if not isinstance(layer, kinds) or np.unique(layer.get_weights()[0]).size <= spec.clusters:
            return layer
        return clustering.cluster_weights(layer, spec.clusters, start)

    model = tf_keras.models.clone_model(bench.model, clone_function=wrap)
    history = fine_tune(bench, model, spec)
    return clustering.strip_clustering(model), history
