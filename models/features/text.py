"""Texts: reviews, descriptions, notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from contracts.names import serving_name
from contracts.preparations.characters import UNSPACED, re2_class
from contracts.preparations.text import MARKUP, TextRules
from models.data.text import text_of
from models.encoders.texts import AverageSpec, BertSpec, TextEncoder
from models.encoders.texts.bert import PretrainedText
from models.encoders.texts.kind import PADDING, TextEncoderKind
from models.features.kind import ColumnProfile, FeatureKind, Recognition
from models.features.ports import Encoding, InputSpec
from models.features.words import frequent_words
from models.stresses.texts import TEXT_STRESSES

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors

UNKNOWN = 1
# The first lines of a vocabulary's file, so that a token's id is the number of its line. No
# token begins with a blank.
HEAD = (b" padding", b" unknown")
FIRST = len(HEAD)
_CHARACTERS_A_TOKEN = 64
PIECE_CHARACTERS = 20
WORD_CHARACTERS = 100
_LENGTH = 128
_DECIDED = ("tokenizer", "lowercase", "strip_accents", "max_vocabulary", "min_count", "ngrams")
_FEWEST_WORDS = 7
_FEWEST_WORDS_OF_PHRASE = 3
_MOST_DISTINCT_PHRASES = 0.9
# A word of Chinese or Japanese has about so many ideographs or kana.
_IDEOGRAPHS_A_WORD = 2
_FEWEST_DISTINCT = 0.5


class TextSpec(FeatureKind):
    """A text, encoded by its tokens; a missing one has none.

    Attributes:
      tokenizer: What a token is: a `word` between blanks and punctuation, or a piece of one.
      lowercase: Whether letters are put into lower case.
      strip_accents: Whether accents are taken off.
      markup: Whether tags and entities of HTML are taken out.
      max_vocabulary: The most tokens that are learned on train, the most frequent ones.
      min_count: How often train must show a token; rarer ones share one id.
      length: How many tokens are read.
      ngrams: Up to how many neighbouring words are a token of their own: 2 adds pairs.
      max_bytes: The longest text that a request may have; of longer ones in the data, what
        comes first is read.
      encoder: What turns the tokens into numbers, inside the network. One of the kind `bert`
        starts from the weights of another training, and has tokens of its own.
      pretrained: A folder with a BERT-like encoder: `config.json`, `vocab.txt` and
        `model.safetensors`. Its tokens, and the mean of their states, take the place of all keys
        above but `length`, `markup` and `max_bytes`. It is frozen, and part of the transform.
      pretrained_layers: How many layers of that encoder are read, from the first. The states of a
        middle layer often say more of a text's tone than those of the last one, and cost less;
        None reads them all.
      sha256: The digest of these files, which is part of what the cache goes by.
    """

    type: str = "text"
    tokenizer: Literal["words", "wordpiece"] = "words"
    lowercase: bool = True
    strip_accents: bool = False
    markup: Literal["remove", "keep"] = "remove"
    max_vocabulary: int = Field(50_000, ge=1, le=1_000_000)
    min_count: int = Field(2, ge=1)
    length: int = Field(_LENGTH, ge=1, le=4096)
    ngrams: int = Field(1, ge=1, le=5)
    max_bytes: int = Field(1 << 18, ge=1)
    encoder: TextEncoder = AverageSpec()
    pretrained: Path | None = None
    pretrained_layers: int | None = Field(None, ge=1)
    sha256: str = ""

    raw_values = "text"
    stresses = {"missing": True, **TEXT_STRESSES}
    slice_figures = ("words",)
    content_type = "models.content.texts.content:TextContent"
    new_values = True

    @model_validator(mode="before")
    @classmethod
    def _pretrained_is_there(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        length, encoder = value.get("length", _LENGTH), value.get("encoder")
        if value.get("pretrained"):
            keys = ("pretrained", "pretrained_layers")
            return {**value, **_with_digest(value, keys, length, "")}
        if isinstance(encoder, Mapping) and encoder.get("kind") == "bert":
            keys = ("weights", "layers")
            return {**value, "encoder": _with_digest(encoder, keys, length, "encoder.")}
        return value

    @model_validator(mode="after")
    def _pretrained_decides(self) -> TextSpec:
        if self.pretrained is None and self.pretrained_layers is not None:
            raise ValueError(
                "Invalid pretrained_layers. Expected: pretrained, the folder of an encoder, too"
            )
        if self.pretrained_text is None:
            return self
        by = "encoder.weights" if self.pretrained is None else "pretrained"
        for key in (*_DECIDED, *(("encoder",) if self.pretrained is not None else ())):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{by} decides {key}: remove the key")
        return self

    @model_validator(mode="after")
    def _ngrams_fit(self) -> TextSpec:
        if self.ngrams > 1 and self.tokenizer != "words":
            raise ValueError(
                f"Invalid ngrams. Expected: 1, or tokenizer: words. "
                f"Received: {self.ngrams}, and tokenizer: {self.tokenizer}"
            )
        if self.ngrams > 1 and not self.encoder.takes_ngrams:
            raise ValueError(
                f"Invalid ngrams: the encoder {self.encoder.kind} reads words in order. "
                f"Expected: 1. Received: {self.ngrams}"
            )
        return self

    @property
    def pretrained_text(self) -> PretrainedText | None:
        """The pretrained encoder whose tokens are read, frozen or not."""
        if self.pretrained is not None:
            return PretrainedText(self.pretrained, self.pretrained_layers)
        return self.encoder.folder if isinstance(self.encoder, BertSpec) else None

    @property
    def pretrained_sha256(self) -> str:
        """The digest of its files."""
        return self.encoder.sha256 if isinstance(self.encoder, BertSpec) else self.sha256

    def text_rules(self) -> TextRules:
        """How a text becomes words."""
        from contracts.preparations import characters

        pretrained = self.pretrained_text
        if pretrained is not None:
            lowercase = strip_accents = pretrained.lowercase
            blanks, invisible = characters.bert_blanks(), characters.bert_invisible()
            isolated = characters.bert_isolated()
        else:
            lowercase, strip_accents = self.lowercase, self.strip_accents
            blanks, invisible = characters.blanks(), characters.invisible()
            isolated = characters.isolated()
        return TextRules(
            characters=_CHARACTERS_A_TOKEN * self.length,
            markup=MARKUP if self.markup == "remove" else None,
            lowercase=lowercase,
            strip_accents=strip_accents,
            blanks=blanks,
            invisible=invisible,
            isolated=isolated,
        )

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Learns a vocabulary for each text and looks its tokens up, or encodes the text."""
        from models.features.texts.transform import text_ids, text_vectors

        return {
            name: (text_ids if spec.pretrained is None else text_vectors)(
                name, spec, raw.values(name)
            )
            for name, spec in specs.items()
        }

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """Ids of tokens and the encoder that the network begins with, or a pretrained vector."""
        if self.pretrained is not None:
            (width,) = learned.shape(name)
            return InputSpec(name, "dense", width)
        size = len(learned.lines(vocabulary_file(name)))
        own = Encoding(
            "int64",
            partial(_encode, self.encoder),
            "bag",
            pretrained=self.encoder.pretrained(name, self.length),
            student=lambda share: partial(_encode, self.encoder.student(share)),
        )
        return InputSpec(name, "text", size, shape=(self.ngrams * self.length,), own=own)

    @property
    def is_prepared(self) -> bool:
        """A frozen encoder is part of the transform, which runs in TensorFlow alone."""
        return self.pretrained is None

    @classmethod
    def figures(cls, values: pa.ChunkedArray) -> dict[str, pa.Array]:
        """How many words a text has; a missing one has none."""
        from models.content.texts.words import split_words

        return {"words": pa.array(split_words(values).counts)}

    def preparation(self, name: str, learned: Learned) -> dict[str, Any] | None:
        """How a text is normalised, cut and looked up."""
        if self.pretrained is not None:
            return None
        lines = learned.lines(vocabulary_file(name))
        pretrained = self.pretrained_text
        ids = {"first_id": FIRST, "padding": PADDING, "unknown": UNKNOWN}
        if pretrained is not None:
            # Its vocabulary has all marks, that of padding first.
            ids = {"first_id": PADDING, **pretrained.marks}
        is_wordpiece = pretrained is not None or self.tokenizer == "wordpiece"
        return {
            "kind": "text",
            "length": self.length,
            "max_bytes": self.max_bytes,
            "ngrams": self.ngrams,
            "words": self.text_rules(),
            "tokenizer": "wordpiece" if is_wordpiece else self.tokenizer,
            "word_characters": WORD_CHARACTERS if is_wordpiece else None,
            "vocabulary": tuple(token.decode() for token in lines[ids["first_id"] :]),
            **ids,
        }

    def learn(self, counts: Counter[bytes]) -> list[bytes]:
        """The vocabulary in the order of its ids, from how often train shows each word."""
        from models.features.texts.pieces import learn_pieces

        if self.tokenizer == "words":
            return frequent_words(counts, self.min_count)[: self.max_vocabulary]
        words = {
            text: count
            for word, count in sorted(counts.items())
            if len(text := word.decode()) <= WORD_CHARACTERS
        }
        pieces = learn_pieces(words, self.max_vocabulary, self.min_count)
        return [piece.encode() for piece in pieces]

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """Text of several words that seldom comes again."""
        share = column.distinct / max(1, column.present)
        if column.kind != "text" or share < _FEWEST_DISTINCT:
            return None
        words = words_a_text(column.values)
        # Of few words, what hardly ever comes again is a name or an address.
        if words < (_FEWEST_WORDS if share > _MOST_DISTINCT_PHRASES else _FEWEST_WORDS_OF_PHRASE):
            return None
        note = f"texts of {words:.0f} words, {column.distinct:,} of them distinct"
        return Recognition({"type": "text"}, note)


def words_a_text(values: pa.Array) -> float:
    """About how many words a text has: after blanks, or of ideographs and kana."""
    texts = text_of(values)
    blanks = pc.mean(pc.count_substring(texts, " ")).as_py()
    ideographs = pc.mean(pc.count_substring_regex(texts, re2_class(UNSPACED))).as_py()
    return float(1 + blanks + ideographs / _IDEOGRAPHS_A_WORD)


def vocabulary_file(name: str) -> str:
    """The asset of the transform graph that has a text's vocabulary."""
    return f"text_{serving_name(name)}"


def _with_digest(
    value: Mapping[str, Any], keys: tuple[str, str], length: Any, where: str
) -> Mapping[str, Any]:
    """Adds the digest of a pretrained encoder's files, where it is not there.

    Args:
      value: The keys of a feature or of its encoder.
      keys: Those that name the folder, and how many layers are read.
      length: How many tokens are read.
      where: Where these keys are, for the reader.
    """
    folder, layers = (value.get(key) for key in keys)
    if value.get("sha256") or not isinstance(folder, (str, Path)):
        return value
    encoder = PretrainedText(Path(folder), layers if isinstance(layers, int) else None)
    tokens = length if isinstance(length, int) else _LENGTH
    encoder.check(where + keys[0], where + keys[1], tokens)
    return {**value, "sha256": encoder.sha256()}


def _encode(encoder: TextEncoderKind, port: InputSpec, ids: Any, keras_module: Any) -> Any:
    return encoder.encode(port, ids, keras_module)
