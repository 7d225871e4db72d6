"""The benchmark compares what it says: our examples with those of TFX's CsvExampleGen."""

from __future__ import annotations

from pathlib import Path

from bench.example_gen import measure, row_hashes, write_flights


def test_examples_are_those_of_tfx_and_a_changed_value_is_seen(tmp_path: Path) -> None:
    once, tenfold = write_flights(tmp_path, 500)
    text = once.read_text(encoding="utf-8")
    assert len(tenfold.read_text(encoding="utf-8").splitlines()) == 5001
    measure("stock", once, tmp_path / "stock")
    figures = measure("ours", once, tmp_path / "ours")
    theirs, ours = row_hashes(tmp_path / "stock"), row_hashes(tmp_path / "ours")
    assert len(ours) == 500
    assert ours.tolist() == theirs.tolist()
    assert figures["peak_mb"] > 0

    once.write_text(text.replace(",UA,", ",XX,", 1), encoding="utf-8")
    measure("ours", once, tmp_path / "changed")
    changed = row_hashes(tmp_path / "changed")
    assert len(set(changed.tolist()) ^ set(ours.tolist())) == 2
