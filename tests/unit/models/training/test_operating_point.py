import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.operating_point import CostSpec, choose_threshold

rows = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=1, max_size=30)
prices = st.floats(0.1, 10)


def _cost(labels, probabilities, threshold, costs):
    called = probabilities >= threshold
    wrong_alarms = costs.false_positive * np.sum(called & (labels == 0))
    misses = costs.false_negative * np.sum(~called & (labels == 1))
    return (wrong_alarms + misses) / len(labels)


@given(rows, prices, prices)
def test_no_threshold_is_cheaper(pairs, false_positive, false_negative):
    labels = np.array([label for label, _ in pairs])
    probabilities = np.array([p for _, p in pairs], np.float64)
    costs = CostSpec(false_positive=false_positive, false_negative=false_negative)
    point = choose_threshold(labels, probabilities, costs)
    candidates = [0.0, *probabilities, np.nextafter(np.float32(1), np.float32(2))]
    best = min(_cost(labels, probabilities, t, costs) for t in candidates)
    assert point.cost == pytest.approx(best)
    assert _cost(labels, probabilities, point.threshold, costs) == pytest.approx(best)


@given(rows)
def test_the_counts_add_up(pairs):
    labels = np.array([label for label, _ in pairs])
    point = choose_threshold(labels, np.array([p for _, p in pairs]), CostSpec())
    assert point.true_positives + point.false_negatives == labels.sum()
    assert point.true_negatives + point.false_positives == (labels == 0).sum()


def test_dear_misses_lower_the_threshold():
    generator = np.random.default_rng(3)
    probabilities = generator.uniform(size=5000)
    labels = (generator.uniform(size=5000) < probabilities).astype(int)
    dear = choose_threshold(labels, probabilities, CostSpec(false_negative=9))
    even = choose_threshold(labels, probabilities, CostSpec())
    assert dear.threshold == pytest.approx(0.1, abs=0.06)
    assert even.threshold == pytest.approx(0.5, abs=0.06)
