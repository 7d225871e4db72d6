from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.features.spec import FeaturesSpec
from models.features.vocabularies import categorical_features, parse_lines, to_lines
from models.features.word_file import _CountWords
from models.features.words import frequent_words

WORDS = st.binary(min_size=1, max_size=8) | st.sampled_from(
    [b"\n", b"\\", b"\\n", b"\r\n", b" ", b"0", b"0 a", b"\\\\n", b"\xc3\xae"]
)


@given(st.lists(st.lists(WORDS, max_size=6), max_size=5))
def test_the_file_of_vocabularies_keeps_every_word(vocabularies):
    lines = to_lines(vocabularies)
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert len(set(lines)) == len(lines) or any(len(set(v)) < len(v) for v in vocabularies)
    assert parse_lines(lines) == [tuple(words) for words in vocabularies]


def test_words_are_ordered_by_frequency_and_ties_by_bytes_the_largest_first():
    counts = Counter({b"a": 2, b"b": 3, b"c": 2, b"d": 1})
    assert frequent_words(counts, 1) == [b"b", b"c", b"a", b"d"]
    assert frequent_words(counts, 2) == [b"b", b"c", b"a"]
    assert frequent_words(counts, 4) == []


def test_counts_do_not_depend_on_how_rows_are_batched():
    words = np.array([[b"a", b"x"], [b"b", b"x"], [b"a", b"y"]], object)
    count = _CountWords(2)
    whole = count.add_input(count.create_accumulator(), (words,))
    parts = [count.add_input(count.create_accumulator(), (words[i : i + 1],)) for i in range(3)]
    assert count.merge_accumulators(parts) == whole == [{b"a": 2, b"b": 1}, {b"x": 2, b"y": 1}]


def test_only_categories_have_a_vocabulary():
    problem = FeaturesSpec.model_validate(
        {
            "task": "regression",
            "label": {"name": "y"},
            "features": {
                "n": {"type": "numeric"},
                "v": {"type": "vocabulary"},
                "c": {"type": "categorical", "min_count": 2},
            },
        }
    )
    found = {name: spec.min_count for name, spec in categorical_features(problem).items()}
    assert found == {"v": 5, "c": 2}
