from contracts.results.audit import DataFinding
from pipelines.runs.warning_lines import warning_lines


def _findings(check, count):
    return [
        DataFinding(
            severity="warn",
            feature=f"f{place}",
            split="train",
            what=f"Feature 'f{place}' has {check}.",
            check=check,
        )
        for place in range(count)
    ]


def test_a_few_findings_are_a_line_each():
    lines = warning_lines([*_findings("outliers", 4), *_findings("shift", 1)])
    assert lines == [f"Feature 'f{place}' has outliers." for place in range(4)] + [
        "Feature 'f0' has shift."
    ]


def test_many_findings_of_one_check_are_grouped():
    lines = warning_lines([*_findings("outliers", 217), *_findings("missing", 1)])
    assert len(lines) == 5
    assert lines[:3] == [f"Feature 'f{place}' has outliers." for place in range(3)]
    assert lines[3].startswith("214 more findings of the check outliers: 'f3', 'f4', 'f5'")
    assert "and 209 more" in lines[3]
    assert lines[4] == "Feature 'f0' has missing."


def test_findings_about_whole_splits_are_grouped_without_a_name():
    findings = [entry.model_copy(update={"feature": ""}) for entry in _findings("few rows", 5)]
    assert warning_lines(findings)[3] == (
        "2 more findings of the check few rows. The report lists them."
    )
