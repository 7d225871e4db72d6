"""What layers share is defined once, whoever uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import DataError, KelpError
from serving.errors import ServingError

ROOT = Path(__file__).parents[3]
PACKAGES = "pipelines components evidence report models serving contracts examples"


def files_with(mark: str) -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for package in PACKAGES.split()
        for path in sorted((ROOT / package).rglob("*.py"))
        if mark in path.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize(
    ("mark", "home"),
    [
        ("class KelpError(", "contracts/errors.py"),
        ('extra="forbid"', "contracts/spec.py"),
        ("mkstemp(", "contracts/files.py"),
        ("yaml.SafeLoader", "contracts/yaml.py"),
        ("get_close_matches", "contracts/text.py"),
        ('"artifact.json"', "contracts/artifact.py"),
        ("get_signature_runner(", "contracts/runtimes.py"),
        ("InferenceSession(", "contracts/runtimes.py"),
        ("np.sin(", "contracts/preparations/numbers.py"),
        ('"__missing__"', "contracts/columns.py"),
        ("google_crc32c", "contracts/tfrecord.py"),
        ('"tf_serving_warmup_requests"', "contracts/prediction_log.py"),
    ],
)
def test_is_defined_in_contracts_alone(mark, home):
    assert files_with(mark) == [home]


def test_errors_read_in_one_line_in_logs():
    error = ServingError(404, "no such model")
    assert isinstance(error, KelpError)
    assert str(error) == "no such model"
    problem = DataError("It is broken.", where="a.csv", received="two\nlines")
    assert str(problem) == "It is broken.; where: a.csv; received: two lines"
