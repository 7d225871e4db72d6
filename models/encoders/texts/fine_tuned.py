"""A pretrained BERT-like encoder as part of the network, which is trained on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from models.encoders.pretrained import Pretrained, copy_weights
from models.encoders.texts.average import AverageSpec
from models.encoders.texts.bert import WEIGHTS_FILE, PretrainedText
from models.encoders.texts.bert_layers import bert_states, bert_weights, block_name
from models.encoders.texts.kind import TextEncoderKind, masked_layer
from models.features.ports import InputSpec

_STUDENT_DIMENSION = 64


class BertSpec(TextEncoderKind):
    """A BERT-like encoder that starts from weights in a local folder; the mean of its states.

    The embeddings of tokens and places stay as they are: a table of few rows shows few tokens.

    Attributes:
      weights: A folder with `config.json`, `vocab.txt` and `model.safetensors`. Its tokens are
        those of the text.
      sha256: The digest of these files, which is part of what the cache goes by.
      layers: How many layers are read, from the first; None reads them all.
      trainable_layers: How many of them are trained, from the last; None trains them all.
      frozen_epochs: For how many epochs they stay as they are.
      fine_tune_rate: After that, their learning rate as a share of that of all others.
      dropout: The share of the encoded text that is dropped in training.
    """

    kind: Literal["bert"]
    weights: Path
    sha256: str = ""
    layers: int | None = Field(None, ge=1)
    trainable_layers: int | None = Field(None, ge=0)
    frozen_epochs: int = Field(0, ge=0)
    fine_tune_rate: float = Field(0.05, gt=0, le=1)
    dropout: float = Field(0.1, ge=0, lt=1)

    @property
    def folder(self) -> PretrainedText:
        """The encoder's files."""
        return PretrainedText(self.weights, self.layers)

    def encode(self, port: InputSpec, ids: Any, keras_module: Any) -> Any:
        """The mean state; see `TextEncoderKind`."""
        prefix = _prefix(port.name)
        states = bert_states(self.folder, ids.shape[1], ids, prefix, keras_module)
        mean = masked_layer("token_mean", keras_module)([states, ids])
        if self.dropout:
            mean = keras_module.layers.Dropout(self.dropout, name=f"{prefix}_dropout")(mean)
        return mean

    def pretrained(self, name: str, length: int) -> Pretrained:
        """See `TextEncoderKind`."""
        prefix = _prefix(name)
        start = partial(self._start, prefix, length)
        tuned = partial(self._tuned_prefixes, prefix)
        return Pretrained(start, prefix, self.frozen_epochs, self.fine_tune_rate, tuned)

    def student(self, share: float) -> AverageSpec:
        """Averaged embeddings of the same tokens."""
        return AverageSpec(dimension=max(1, round(_STUDENT_DIMENSION * share)))

    def _start(self, prefix: str, length: int, network: Any) -> None:
        folder = self.folder
        folder.check_digest(self.sha256)
        path = str(folder.folder / WEIGHTS_FILE)
        copy_weights(bert_weights(folder, length), path, prefix, network)

    def _tuned_prefixes(self, prefix: str) -> tuple[str, ...]:
        depth = self.folder.depth
        kept = depth if self.trainable_layers is None else self.trainable_layers
        return tuple(
            f"{prefix}_{block_name(index)}_" for index in range(max(0, depth - kept), depth)
        )


def _prefix(feature: str) -> str:
    return f"{feature}_text"
