import pytest

from models.training.diagnosis import Signals, diagnose


def _history(loss, val_loss):
    return [{"loss": a, "val_loss": b} for a, b in zip(loss, val_loss, strict=True)]


def _names(loss, val_loss, constant_guess=0.69, stopped_early=False):
    return [f.name for f in diagnose(_history(loss, val_loss), constant_guess, stopped_early)]


def test_a_healthy_run_has_no_finding():
    loss = [0.60, 0.50, 0.46, 0.45, 0.445, 0.443, 0.441, 0.440]
    val = [0.52, 0.48, 0.463, 0.459, 0.458, 0.4575, 0.458, 0.459]
    assert _names(loss, val) == []
    assert _names(loss, val, stopped_early=True) == []


def test_a_healthy_network_shows_nothing():
    healthy = Signals(
        movement={"block_0": 0.01, "block_1": 0.02, "head": 0.2},
        silent={"block_0": 0.1, "block_1": 0.0},
        predicted={"no": 0.8, "yes": 0.2},
        labels={"no": 0.75, "yes": 0.25},
    )
    history = _history([0.6, 0.5, 0.45, 0.44], [0.55, 0.48, 0.46, 0.459])
    for place, entry in enumerate(history):
        entry["gradient_norm"] = 1.0 + place
    assert diagnose(history, 0.69, False, healthy) == []


@pytest.mark.parametrize(
    ("name", "signals", "evidence", "key"),
    [
        (
            "vanishing gradients",
            Signals(movement={"block_0": 1e-9, "block_1": 1e-4, "head": 0.1}),
            "block_0",
            "network.batch_norm",
        ),
        ("dead units", Signals(silent={"block_0": 0.1, "block_1": 0.75}), "75%", "learning_rate"),
        (
            "predicting one class",
            Signals(predicted={"a": 1.0, "b": 0.0}, labels={"a": 0.7, "b": 0.3}),
            "70.0%",
            "training.class_weights",
        ),
    ],
)
def test_a_network_in_trouble_is_named(name, signals, evidence, key):
    history = _history([0.6, 0.5, 0.45, 0.44], [0.55, 0.48, 0.46, 0.459])
    (finding,) = diagnose(history, 0.69, False, signals)
    assert finding.name == name
    assert evidence in finding.evidence
    assert key in finding.remedy


def test_a_rare_class_that_is_never_predicted_is_no_trouble():
    signals = Signals(predicted={"a": 1.0, "b": 0.0}, labels={"a": 0.97, "b": 0.03})
    assert diagnose(_history([0.6, 0.5], [0.55, 0.48]), 0.69, False, signals) == []


def test_growing_gradients_with_a_growing_loss_explode():
    history = _history([0.5, 0.4, 0.9, 2.0], [0.5, 0.45, 0.9, 1.8])
    for entry, norm in zip(history, [1.0, 2.0, 50.0, 400.0], strict=True):
        entry["gradient_norm"] = norm
    (finding,) = diagnose(history, 0.69, True)
    assert finding.name == "exploding gradients"
    assert "400" in finding.evidence
    for entry in history:
        entry["gradient_norm"] = 1.0
    assert diagnose(history, 0.69, True) == []


def test_val_far_better_than_train_is_named_where_both_can_be_compared():
    loss, val = [0.6, 0.5, 0.45, 0.44], [0.4, 0.3, 0.26, 0.259]
    assert _names(loss, val) == ["val better than train"]
    assert diagnose(_history(loss, val), 0.69, False, comparable=False) == []


def test_a_flat_second_half_is_a_plateau():
    falling = [0.6, 0.5, 0.45, 0.43, 0.42, 0.415, 0.4145]
    flat = falling + [0.4144 - 0.00001 * step for step in range(9)]
    assert _names(flat, [value + 0.01 for value in flat]) == ["plateau"]
    assert _names(flat, [value + 0.01 for value in flat], stopped_early=True) == []


def test_one_epoch_is_not_judged():
    assert _names([0.69], [0.69]) == []


def test_a_run_that_has_already_learned_is_not_called_stuck():
    assert _names([0.1001, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1]) == []


def test_a_flat_loss_is_named_with_its_figures():
    (finding,) = diagnose(_history([0.70, 0.699, 0.698], [0.7, 0.7, 0.7]), 0.69, False)
    assert finding.name == "loss not falling"
    assert "0.698" in finding.evidence
    assert "0.69" in finding.evidence
    assert "learning_rate" in finding.remedy


def test_a_swinging_loss_is_oscillating():
    assert "oscillating" in _names([0.5, 0.7, 0.4, 0.75, 0.45, 0.7], [0.5] * 6)


def test_val_rising_while_train_falls_is_overfitting():
    names = _names([0.6, 0.5, 0.4, 0.3, 0.2], [0.55, 0.5, 0.52, 0.56, 0.62], stopped_early=True)
    assert names == ["overfitting"]


def test_val_rising_together_with_train_is_not_overfitting():
    assert "overfitting" not in _names([0.6, 0.5, 0.52, 0.56], [0.55, 0.5, 0.53, 0.58])


def test_val_still_falling_at_the_end_is_underfitting():
    falling = [0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.36]
    assert _names(falling, falling) == ["underfitting"]


def test_nan_is_the_only_finding_and_names_the_epoch():
    (finding,) = diagnose(_history([0.5, float("nan")], [0.5, 0.5]), 0.69, False)
    assert finding.name == "NaN loss"
    assert "epoch 2" in finding.evidence
    assert diagnose(_history([None], [0.5]), 0.69, False)[0].name == "NaN loss"
