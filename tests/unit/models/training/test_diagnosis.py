from models.training.diagnosis import diagnose


def _history(loss, val_loss):
    return [{"loss": a, "val_loss": b} for a, b in zip(loss, val_loss, strict=True)]


def _names(loss, val_loss, constant_guess=0.69, stopped_early=False):
    return [f.name for f in diagnose(_history(loss, val_loss), constant_guess, stopped_early)]


def test_a_healthy_run_has_no_finding():
    loss = [0.60, 0.50, 0.46, 0.45, 0.445, 0.443, 0.441, 0.440]
    val = [0.52, 0.48, 0.463, 0.459, 0.458, 0.4575, 0.458, 0.459]
    assert _names(loss, val) == []
    assert _names(loss, val, stopped_early=True) == []


def test_one_epoch_is_not_judged():
    assert _names([0.69], [0.69]) == []


def test_a_run_that_has_already_learned_is_not_called_stuck():
    assert _names([0.1001, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1]) == []


def test_a_flat_loss_is_named_with_its_figures():
    (finding,) = diagnose(_history([0.70, 0.699, 0.698], [0.7, 0.7, 0.7]), 0.69, False)
    assert finding.name == "loss not falling"
    assert "0.698" in finding.evidence
    assert "0.69" in finding.evidence
    assert "learning rate" in finding.remedy


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
