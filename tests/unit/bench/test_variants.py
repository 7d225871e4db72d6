"""The table of variants tells every figure, and why a variant was refused."""

from bench.variants import table

INTERVAL = {"value": -0.002, "low": -0.004, "high": 0.001}


def _variant(name, **facts):
    return {
        "name": name,
        "status": "blessed",
        "reasons": [],
        "bytes": 1234567,
        "gzip_bytes": 400000,
        "timing": {
            "p50_ms": 0.5,
            "prepare_ms": 0.25,
            "rows_per_s": 9999.4,
            "peak_memory_mib": 512.0,
        },
        "ratios": {"bytes": 0.31, "gzip_bytes": 0.4, "p50_ms": 0.9, "rows_per_s": 1.5}
        | {"peak_memory_mib": 0.2, "lean_bytes": 0.52, "lean_gzip_bytes": 0.61},
        "metric": "auc",
        "higher_is_better": True,
        "metrics": {"auc": {"value": 0.75, "low": 0.7, "high": 0.8}},
        "difference": {"auc": INTERVAL},
    } | facts


LOST = {
    "status": "unsupported",
    "reasons": ["2:4 needs layers in blocks of 4"],
    "bytes": None,
    "gzip_bytes": None,
    "timing": None,
    "ratios": {},
    "metrics": {},
    "difference": {},
}


def test_figures_ratios_and_reasons_are_reported():
    choice = {"name": "int8", "reason": "0.31x the bytes"}
    summary = {"run_id": "r1", "variants": [_variant("int8"), _variant("p24", **LOST)]}
    lines = table(summary | {"recommended": {"server": choice, "phone": None}}).splitlines()
    assert "r1" in lines[1]
    assert lines[2].split()[:5] == ["variant", "verdict", "bytes", "x", "lean"]
    wanted = (
        "int8 blessed 1,234,567 0.31 0.52 400,000 0.40 0.61 0.750 0.90 9,999 1.50 512 0.20 0.7500"
    )
    assert lines[3].split() == [*wanted.split(), "+0.0020", "+0.0040"]
    assert lines[4].split() == ["p24", "unsupported", *["-"] * 15]
    assert lines[5] == "  p24: 2:4 needs layers in blocks of 4"
    assert lines[6] == "  for a server: int8, 0.31x the bytes"
    assert len(lines) == 7
    assert len(lines[2]) == len(lines[3]) == len(lines[4])


def test_a_loss_that_grows_is_reported_as_it_is():
    loss = _variant("int8", metric="rmse", higher_is_better=False)
    loss |= {"metrics": {"rmse": {"value": 3}}, "difference": {"rmse": INTERVAL}}
    row = table({"run_id": "r1", "variants": [loss]}).splitlines()[3].split()
    assert row[-2:] == ["-0.0020", "+0.0010"]


def test_a_run_without_variants_says_so():
    assert table({"run_id": "r1", "variants": []}) == "the run r1 made no variants"
    assert table({"run_id": "r1"}) == "the run r1 made no variants"
