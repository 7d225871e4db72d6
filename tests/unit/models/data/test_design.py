"""The matrices that baseline models learn from, against scikit-learn's encoders."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.data.design import learn_linear, learn_trees
from models.networks import InputSpec

PORTS = [
    InputSpec("few", "one_hot", 6),
    InputSpec("circle", "dense", 2),
    InputSpec("many", "embedding", 400, 8),
    InputSpec("flat", "dense", 1),
]


def _columns(rows, seed):
    generator = np.random.default_rng(seed)
    return {
        "few": generator.integers(0, 6, [rows, 1]),
        "circle": generator.normal(1000, 5, [rows, 2]).astype(np.float32),
        "many": np.minimum(generator.geometric(0.02, [rows, 1]), 399),
        "flat": np.full([rows, 1], 7, np.float32),
    }


def test_the_linear_matrix_is_scaled_and_one_hot():
    train, other = _columns(300, 0), _columns(50, 1)
    matrix = learn_linear(PORTS, train).matrix(other).toarray()
    scaler = StandardScaler().fit(np.hstack([train["circle"], train["flat"]]).astype(float))
    dense = scaler.transform(np.hstack([other["circle"], other["flat"]]).astype(float))
    hot = OneHotEncoder(categories=[range(6), range(400)], sparse_output=False)
    ids = hot.fit_transform(np.hstack([other["few"], other["many"]]))
    np.testing.assert_allclose(matrix, np.hstack([dense, ids]), atol=1e-6)


def test_the_trees_take_few_ids_as_categories_and_many_by_their_count_on_train():
    train, other = _columns(300, 0), _columns(50, 1)
    design = learn_trees(PORTS, train)
    assert design.categorical().tolist() == [True, False, False, False, False]
    matrix = design.matrix(other)
    np.testing.assert_array_equal(matrix[:, :1], other["few"])
    np.testing.assert_array_equal(matrix[:, 1:3], other["circle"])
    counts = np.array([(train["many"] == value).sum() for value in other["many"][:, 0]])
    np.testing.assert_array_equal(matrix[:, 3], counts)


def test_ids_alone_and_numbers_alone_make_a_matrix():
    train = _columns(30, 0)
    assert learn_linear(PORTS[:1], train).matrix(train).shape == (30, 6)
    assert learn_linear(PORTS[1:2], train).matrix(train).shape == (30, 2)
