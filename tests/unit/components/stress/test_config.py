"""Which features a stress falls on."""

import pytest
from pydantic import TypeAdapter

from components.stress.config import StressJob, stressed_features
from contracts.errors import ConfigError
from evidence.config import StressSpec
from models.features.spec import FeaturesSpec

PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "y"},
        "features": {
            "n": {"type": "numeric"},
            "h": {"type": "cyclic", "period": 24},
            "f": {"type": "boolean"},
            "c": {"type": "categorical"},
            "v": {"type": "vocabulary"},
        },
    }
)


def _stress(**fields):
    return TypeAdapter(StressSpec).validate_python(fields)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"kind": "noise"}, "n"),
        ({"kind": "noise", "columns": ["h", "n"]}, "hn"),
        ({"kind": "missing"}, "nhfcv"),
        ({"kind": "missing", "columns": ["f"]}, "f"),
        ({"kind": "unseen"}, "cv"),
        ({"kind": "units", "columns": ["n", "h"], "factor": 2}, "nh"),
        ({"kind": "adversarial"}, "n"),
    ],
)
def test_a_stress_falls_on_what_it_names_or_on_all_that_it_applies_to(fields, wanted):
    assert stressed_features("it", _stress(**fields), PROBLEM) == tuple(wanted)


@pytest.mark.parametrize(
    ("fields", "reported"),
    [
        ({"kind": "noise", "columns": ["c"]}, "cannot fall on 'c'"),
        ({"kind": "unseen", "columns": ["n"]}, "cannot fall on 'n'"),
        ({"kind": "units", "columns": ["f"]}, "cannot fall on 'f'"),
        ({"kind": "adversarial", "columns": ["h"]}, "cannot fall on 'h'"),
        ({"kind": "missing", "columns": ["nn"]}, "no feature"),
    ],
)
def test_what_a_stress_cannot_fall_on_is_refused(fields, reported):
    with pytest.raises(ConfigError, match=reported) as caught:
        stressed_features("it", _stress(**fields), PROBLEM)
    assert caught.value.where == "evaluation.stress.it.columns"


def test_a_stress_that_applies_to_nothing_is_refused():
    numbers = PROBLEM.model_copy(update={"features": {"n": PROBLEM.features["n"]}})
    with pytest.raises(ConfigError, match="applies to no feature"):
        stressed_features("it", _stress(kind="unseen"), numbers)


def test_a_job_survives_json():
    job = StressJob(problem=PROBLEM, stress={"a": _stress(kind="noise", scale=0.2)}, seed=3)
    assert StressJob.model_validate_json(job.model_dump_json()) == job
