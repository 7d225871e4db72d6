"""The flights many times over, and what they cost."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.growth import growth_table, repeat_flights, too_large


def _summary(rows, memory, seconds):
    return {
        "rows": {"train": rows},
        "peak_memory_mib": memory,
        "seconds": dict.fromkeys(memory, seconds),
        "total_seconds": seconds,
    }


def test_every_copy_has_the_days_of_another_year(tmp_path: Path) -> None:
    (tmp_path / "data" / "span-01").mkdir(parents=True)
    table = pa.table({"month": [1, 1], "date": ["2013-01-31", "2013-01-30"]})
    pq.write_table(table, tmp_path / "data" / "span-01" / "flights.parquet")
    repeat_flights(tmp_path / "data", tmp_path / "more", 3)
    files = sorted((tmp_path / "more").glob("span-*/*.parquet"))
    assert [file.name for file in files] == [f"flights-{copy}.parquet" for copy in range(3)]
    dates = [pq.read_table(file)["date"].to_pylist() for file in files]
    assert dates == [[f"{year}-01-31", f"{year}-01-30"] for year in (2013, 2014, 2015)]


def test_a_component_may_grow_by_its_ratio_or_up_to_its_bound() -> None:
    plain = _summary(100, {"Trainer": 1000, "Stress": 3000, "Baseline": 0}, 10)
    grown = _summary(1000, {"Trainer": 3000, "Stress": 4000, "Baseline": 0}, 90)
    assert too_large(plain, grown) == ["Stress"]
    assert too_large(plain, grown | {"peak_memory_mib": {"Stress": 3900}}) == []
    lines = growth_table(plain, grown).splitlines()
    assert lines[1].split() == ["rows", "100", "1,000", "100", "1,000"]
    assert lines[2].split() == ["Trainer", "1,000", "3,000", "3.00", "10.0", "90.0", "9.0"]
    assert lines[-1].split() == ["in", "all", "10.0", "90.0", "9.0"]
