"""Places of lines in a file, in the graph."""

from __future__ import annotations

import tensorflow as tf
from tensorflow_transform import tf_utils


class LineTable:
    """The lines of a file, such as a vocabulary, as one look-up table.

    Args:
      file: The file; TF Transform may learn it only later.
    """

    def __init__(self, file: tf.Tensor) -> None:
        self._file = file
        self._table: tf.lookup.StaticHashTable | None = None

    def places(self, lines: tf.Tensor) -> tf.Tensor:
        """The place of each line in the file, counted from 0; -1 where it is not there."""
        places, _ = tf_utils.construct_and_lookup_table(self._construct, self._file, lines)
        return places

    def _construct(self, file: tf.Tensor) -> tf.lookup.StaticHashTable:
        if self._table is None:
            index = tf.lookup.TextFileIndex
            initializer = tf.lookup.TextFileInitializer(
                file, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
            )
            self._table = tf.lookup.StaticHashTable(initializer, default_value=-1)
        return self._table
