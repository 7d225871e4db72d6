"""The server keeps to the description that it serves."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from serving.config import ServingSpec
from serving.http.openapi import describe
from tests.integration.serving.served import ServerProcess

schema = schemathesis.openapi.from_dict(describe(ServingSpec()))


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case: schemathesis.Case, server: ServerProcess) -> None:
    case.path_parameters = {**(case.path_parameters or {}), **_known(case)}
    # Other methods than those described get 400, as from TensorFlow Serving.
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{server.port}",
        timeout=30,
        excluded_checks=[checks.unsupported_method, checks.positive_data_acceptance],
    )


def _known(case: schemathesis.Case) -> dict[str, object]:
    """The model that there is, for most cases: others are answered 404 before all else."""
    given = case.path_parameters or {}
    return {} if len(str(given.get("name", ""))) > 3 else {"name": "scale"} if given else {}
