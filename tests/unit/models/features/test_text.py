"""Texts to ids: TensorFlow's operators and numpy give the same, whatever the text holds."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.preparation import Preparation, RowPreparation
from models.features.kind import ColumnProfile
from models.features.line_table import LineTable
from models.features.registry import KINDS
from models.features.text import FIRST, HEAD, UNKNOWN, TextSpec
from models.features.texts.graph import words_of
from models.features.texts.pieces import learn_pieces
from models.features.texts.transform import ngrams_of, padded_ids, pretrained_ids
from tests.fixtures.raw_feature import raw_feature
from tests.fixtures.tiny_bert import TOKENS, write_bert

LENGTH = 12
READ = [
    "The soup is good, the bread isn't.",
    "Très bon café — naïve façade!",
    "<b>good</b> &amp; cheap",
    "日本語のテキスト 한국어",
    "ΟΔΥΣΣΕΥΣ Straße ﬁn İstanbul",
]
SPECS = {
    "words": TextSpec(length=LENGTH, min_count=1),
    "pairs": TextSpec(length=LENGTH, min_count=1, ngrams=2),
    "as it is": TextSpec(length=LENGTH, min_count=1, lowercase=False, markup="keep"),
    "pieces": TextSpec(
        length=LENGTH, min_count=1, tokenizer="wordpiece", max_vocabulary=60, strip_accents=True
    ),
}
PRETRAINED = "pretrained"
PIECES = (*TOKENS, "a", "##a", "b", "##b", "e", "##e", "cafe", "##cl", "日", "\u03c3", "##\u03c2")
GOLDEN = [
    b"",
    b" ",
    b"\xff\xfe bad \xed\xa0\x80\xe2\x82",
    b"a\x00b\tc\r\nd",
    "e\u0301clair Cafe\u0308 zero\u200bwidth soft\u00adhyphen".encode(),
    "👩‍👩‍👧 🇫🇷 a😀b".encode(),
    "Ⱟ Ꟁ 𐕰 İ ǅ ΑΣ ΑΣ.".encode(),
    "≠ ½ ﷺ Ⅷ \uff46\uff55".encode(),
    b"x" * 150,
    b"good " * 400,
    b"<br /><not markup &amp; &#39; <>",
]


class _Vocabulary:
    """A text's vocabulary as the graph would have learned it from `READ`."""

    def __init__(self, spec, folder):
        if spec.pretrained_text is not None:
            self._keep(folder, tuple(token.encode() for token in spec.pretrained_text.tokens))
            return
        words = words_of(tf.constant([text.encode() for text in READ]), spec.text_rules())
        tokens = [token for each in ngrams_of(spec, words) for token in each.flat_values.numpy()]
        self.tokens = spec.learn(Counter(tokens))
        self._keep(folder, (*HEAD, *self.tokens))

    def _keep(self, folder, lines):
        path = folder / "vocabulary"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        self.ids = LineTable(str(path))
        self.learned = SimpleNamespace(lines=lambda asset: lines)


def _spec(name, folder):
    if name != PRETRAINED:
        return SPECS[name]
    encoder = {"kind": "bert", "weights": str(write_bert(folder / "bert", PIECES))}
    return TextSpec.model_validate({"length": LENGTH, "encoder": encoder})


def _ids(spec, texts, vocabulary):
    words = words_of(texts, spec.text_rules())
    if spec.pretrained_text is not None:
        return pretrained_ids(spec.length, spec.pretrained_text, words, vocabulary.ids)
    return padded_ids(spec, words, vocabulary.ids)


@pytest.fixture(scope="module", params=[*SPECS, PRETRAINED])
def prepared(request, tmp_path_factory):
    """By both, texts to ids."""
    folder = tmp_path_factory.mktemp("text")
    spec = _spec(request.param, folder)
    vocabulary = _Vocabulary(spec, folder)
    constants = spec.preparation("review", vocabulary.learned)
    feature = raw_feature(column="review", raw="string", **constants)
    again = Preparation.model_validate_json(Preparation(features=(feature,)).model_dump_json())
    in_numpy = RowPreparation(again)
    in_graph = tf.function(
        lambda texts: _ids(spec, texts, vocabulary),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    return (
        lambda texts: in_numpy({"review": np.array([*texts, b""], object)})["review"][:-1],
        lambda texts: in_graph(tf.constant(texts, tf.string, [len(texts)])).numpy(),
    )


def test_golden_texts_are_cut_and_looked_up_alike(prepared):
    in_numpy, in_graph = prepared
    wanted = in_graph(GOLDEN)
    width = wanted.shape[1]
    assert width in (LENGTH, 2 * LENGTH)
    np.testing.assert_array_equal(in_numpy(GOLDEN), wanted)
    assert not wanted[0].any()
    assert not wanted[1].any()
    np.testing.assert_array_equal(in_numpy([]), np.zeros([0, width]))
    np.testing.assert_array_equal(in_graph([]), np.zeros([0, width]))


@settings(deadline=None, max_examples=120)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.binary(max_size=20),
            st.lists(st.sampled_from(["good,", "ΣΑΣ", "é", "e\u0301", "<b>", "&amp;", "日"]))
            .map(" ".join)
            .map(str.encode),
        ),
        max_size=4,
    )
)
@example([b"\xc3", "Σ\u0345Σ".encode()])
def test_any_text_is_cut_and_looked_up_alike(prepared, texts):
    in_numpy, in_graph = prepared
    np.testing.assert_array_equal(in_numpy(texts), in_graph(texts))


def test_the_tokens_of_a_pretrained_encoder_stand_between_its_marks(tmp_path):
    spec = _spec(PRETRAINED, tmp_path)
    lines = [token.encode() for token in PIECES]
    constants = spec.preparation("review", SimpleNamespace(lines=lambda asset: lines))
    feature = raw_feature(column="review", raw="string", **constants)
    texts = np.array(["GOOD Café! aab".encode(), b"b " * 20, b"\t", b""], object)
    ids = RowPreparation(Preparation(features=(feature,)))({"review": texts})["review"]
    known = [[PIECES[place] for place in row] for row in ids[:2]]
    unknown = ["[UNK]", "a", "##a", "##b"]
    assert known[0] == ["[CLS]", "good", "cafe", *unknown, "[SEP]", *["[PAD]"] * 4]
    assert known[1] == ["[CLS]", *["b"] * 10, "[SEP]"]
    assert not ids[2:].any()


def test_words_are_lower_case_and_punctuation_stands_alone():
    rules = SPECS["words"].text_rules()
    (words,) = words_of(tf.constant([b"<p>Don't   STOP&nbsp;now...</p>"]), rules).to_list()
    assert words == [b"don", b"'", b"t", b"stop", b"now", b".", b".", b"."]


def test_letters_are_lower_case_alike_in_every_locale(monkeypatch):
    lower = tf.strings.lower

    def in_turkey(texts, encoding):
        return lower(
            tf.strings.regex_replace(texts, "I", "\N{LATIN SMALL LETTER DOTLESS I}"), encoding
        )

    monkeypatch.setattr(tf.strings, "lower", in_turkey)
    (words,) = words_of(tf.constant(["TITLE İ".encode()]), TextSpec().text_rules()).to_list()
    assert [word.decode() for word in words] == ["title", "i\N{COMBINING DOT ABOVE}"]


def test_rare_words_share_an_id_and_the_commonest_come_first():
    spec = TextSpec(min_count=2, max_vocabulary=2)
    assert spec.learn(Counter({b"a": 3, b"b": 5, b"c": 2, b"d": 1})) == [b"b", b"a"]


def test_pieces_are_merged_by_how_often_they_meet():
    counts = {"lower": 5, "lowest": 3, "low": 7, "newer": 6}
    pieces = learn_pieces(counts, size=30, min_count=1)
    assert {"low", "lower", "newer"} <= set(pieces)
    assert learn_pieces(counts, size=5, min_count=1) == pieces[:5]
    assert len(learn_pieces(counts, size=12, min_count=1)) == 12
    assert learn_pieces({"ab": 1}, size=9, min_count=2) == []


def test_a_word_without_pieces_is_unknown(tmp_path):
    vocabulary = _Vocabulary(SPECS["pieces"], tmp_path)
    words = tf.ragged.constant([[b"qqq", b"good"]])
    ids = padded_ids(SPECS["pieces"], words, vocabulary.ids).numpy()[0]
    assert ids[0] == UNKNOWN
    known = [vocabulary.tokens[place - FIRST].decode() for place in ids[1:] if place]
    assert "".join(piece.removeprefix("##") for piece in known) == "good"


def _recognized(values):
    column = pa.array(values)
    profile = ColumnProfile(
        "review", column, "text", len(values), len(set(values)), np.nan, np.nan, ("review",)
    )
    found = ((name, kind.recognize(profile)) for name, kind in KINDS.items())
    return next(name for name, keys in found if keys is not None)


def test_texts_are_recognized_by_their_words_and_that_they_seldom_come_again():
    sentences = [f"the soup number {place} was not warm enough" for place in range(60)]
    assert _recognized(sentences) == "text"
    assert _recognized(["a long name of one of few values"] * 30 + ["another one of few"] * 30) == (
        "categorical"
    )
    assert _recognized([f"N{place}" for place in range(60)]) == "vocabulary"
