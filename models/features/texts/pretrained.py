"""Texts to vectors by a pretrained encoder, inside the transform graph.

The encoder is frozen: its weights are constants of the graph, and all that reads transformed
features, from the baseline models to the network, gets its vectors.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf

from models.encoders.pretrained import copy_weights
from models.encoders.texts.bert import WEIGHTS_FILE, PretrainedText
from models.encoders.texts.bert_layers import bert_states, bert_weights

_ROWS_AT_ONCE = 32
_PREFIX = "bert"


def encode_frozen(ids: tf.Tensor, pretrained: PretrainedText) -> tf.Tensor:
    """Gives the mean of the states of the tokens, float32 `[batch, width]`.

    Few rows at once bound the memory that attention takes. Texts of about one length are together,
    because each part is as long as its longest text.

    Args:
      ids: int64 `[batch, length]`, 0 after the last token.
      pretrained: The encoder.
    """
    length, width = int(ids.shape[1]), int(pretrained.config["hidden_size"])
    graph = _frozen_graph(pretrained, length)
    rows = tf.shape(ids)[0]
    parts = -(-rows // _ROWS_AT_ONCE)
    order = tf.argsort(tf.reduce_sum(tf.cast(ids > 0, tf.int32), axis=1), stable=True)
    ordered = tf.gather(tf.cast(ids, tf.int32), order)
    whole = tf.pad(ordered, [[0, parts * _ROWS_AT_ONCE - rows], [0, 0]])

    def encode(part: tf.Tensor) -> tf.Tensor:
        longest = tf.maximum(1, tf.reduce_max(tf.reduce_sum(tf.cast(part > 0, tf.int32), axis=1)))
        return _mean_state(part[:, :longest], graph)

    states = tf.map_fn(
        encode,
        tf.reshape(whole, [parts, _ROWS_AT_ONCE, length]),
        fn_output_signature=tf.TensorSpec([_ROWS_AT_ONCE, width], tf.float32),
        parallel_iterations=1,
    )
    places = tf.math.invert_permutation(order)
    return tf.ensure_shape(tf.gather(tf.reshape(states, [-1, width]), places), [None, width])


def _mean_state(ids: tf.Tensor, graph: Any) -> tf.Tensor:
    """The mean of the states of the tokens; 0 where there are none."""
    (states,) = tf.graph_util.import_graph_def(
        graph, input_map={"ids": ids}, return_elements=["states:0"], name=_PREFIX
    )
    counted = tf.cast(ids > 0, tf.float32)
    total = tf.reduce_sum(states * counted[:, :, None], axis=1)
    return total / tf.maximum(1.0, tf.reduce_sum(counted, axis=1, keepdims=True))


def _frozen_graph(pretrained: PretrainedText, length: int) -> Any:
    """The encoder's graph with its weights as constants: transforms know no variables."""
    # A thread of its own is outside of the graph that is being traced, where Keras may not
    # make variables.
    with ThreadPoolExecutor(1) as outside:
        return outside.submit(_freeze, pretrained, length).result()


def _freeze(pretrained: PretrainedText, length: int) -> Any:
    import keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    entry = keras.Input([None], dtype="int32")
    model = keras.Model(entry, bert_states(pretrained, length, entry, _PREFIX, keras))
    path = str(pretrained.folder / WEIGHTS_FILE)
    copy_weights(bert_weights(pretrained, length), path, _PREFIX, model)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32, name="ids")], autograph=False
    )
    def states(ids: tf.Tensor) -> tf.Tensor:
        return tf.identity(model(ids, training=False), name="states")

    return convert_variables_to_constants_v2(states.get_concrete_function()).graph.as_graph_def()
