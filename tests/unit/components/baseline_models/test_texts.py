"""Baseline models of texts: TF-IDF, as scikit-learn computes it."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from components.baseline_models.estimators import Problem, Rows, fit_linear
from models.data.design import learn_linear, learn_trees
from models.features.ports import Encoding, InputSpec

SIZE = 12
PORT = InputSpec("review", "text", SIZE, shape=(8,), own=Encoding("int64", lambda *_: None, "bag"))
IDS = np.random.default_rng(1).integers(0, SIZE, (60, 8))
PRAISED = (IDS == 5).any(axis=1).astype(np.int64)


def _counts(ids):
    counts = np.stack([np.bincount(row, minlength=SIZE) for row in ids])
    counts[:, 0] = 0
    return sparse.csr_matrix(counts)


def test_the_linear_design_is_that_of_scikit_learn():
    design = learn_linear([PORT], {"review": IDS[:40]})
    wanted = TfidfTransformer(sublinear_tf=True).fit(_counts(IDS[:40]))
    received = design.matrix({"review": IDS[40:]}).toarray()
    np.testing.assert_allclose(received, wanted.transform(_counts(IDS[40:])).toarray(), atol=1e-6)
    empty = design.matrix({"review": np.zeros((1, 8), np.int64)}).toarray()
    assert not empty.any()


def test_trees_count_the_commonest_tokens():
    design = learn_trees([PORT], {"review": IDS[:40]})
    counts = _counts(IDS[40:]).toarray()
    received = design.matrix({"review": IDS[40:]})
    np.testing.assert_array_equal(received, counts[:, design.common["review"]])


def test_the_linear_model_says_that_it_went_by_tf_idf():
    splits = {
        name: Rows({"review": IDS[place]}, PRAISED[place])
        for name, place in (("train", slice(0, 40)), ("val", slice(40, 60)))
    }
    outcome = fit_linear(Problem("binary", 2, [PORT], 0), splits)
    assert outcome.settings["tf_idf"] == ["review"]
    scores = np.asarray(outcome.scores["val"]).reshape(-1)
    assert scores[PRAISED[40:] == 1].mean() > scores[PRAISED[40:] == 0].mean() + 0.1
