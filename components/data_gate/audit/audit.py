"""All checks of the data audit, one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.data_gate.audit.contents import check_contents
from components.data_gate.audit.feature_values import (
    check_cardinality,
    check_constant,
    check_id_like,
    check_missing,
    check_outliers,
)
from components.data_gate.audit.label_errors import check_label_errors
from components.data_gate.audit.labels import check_balance, check_sizes
from components.data_gate.audit.leakage import check_leakage
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.overlap import check_overlap
from components.data_gate.audit.repeats import check_contradictions, check_duplicates
from components.data_gate.audit.series import check_series
from components.data_gate.audit.shift import check_shift
from contracts.results.audit import AuditCheck, AuditDetails, AuditReport, DataFinding
from contracts.results.checked import Checked, Part
from contracts.results.sample import SampledRows
from contracts.spec import Spec

CHECKS: Mapping[str, Callable[[AuditData], Part]] = {
    "leakage": check_leakage,
    "overlap": check_overlap,
    "sizes": check_sizes,
    "balance": check_balance,
    "duplicates": check_duplicates,
    "contradictions": check_contradictions,
    "missing": check_missing,
    "constant": check_constant,
    "outliers": check_outliers,
    "cardinality": check_cardinality,
    "id_like": check_id_like,
    "label_errors": check_label_errors,
    "shift": check_shift,
}
"""By the key under `data.audit`, the one most likely to block first."""


def run_audit(data: AuditData) -> Part:
    """Makes every check that is not off."""
    checks: list[Checked] = []
    details: dict[str, Any] = {}
    for name, check in CHECKS.items():
        if _is_off(getattr(data.spec, name)):
            what = f"The check {name} is off."
            checks.append(Checked(name, "", "all", "off", None, None, "off", what))
            continue
        began = time.monotonic()
        part = check(data)
        checks += part.checks
        details |= part.details
        logging.getLogger(__name__).info("%s: %.2f s", name, time.monotonic() - began)
    contents = check_contents(data)
    series = check_series(data).checks
    return Part([*contents.checks, *series, *checks], {**details, **contents.details})


def to_findings(part: Part) -> list[DataFinding]:
    """The findings of the checks that failed, blocking ones first."""
    found = [finding for one in part.checks if (finding := one.finding()) is not None]
    return sorted(found, key=lambda finding: finding.severity != "block")


def report_of(part: Part, sampled: Sequence[SampledRows] = ()) -> AuditReport:
    """Gives what the report shows of the audit.

    Args:
      part: The checks.
      sampled: Which of them looked at a sample.
    """
    checks = [AuditCheck(**check.to_dict()) for check in part.checks]
    details = AuditDetails.model_validate(part.details)
    return AuditReport(checks=checks, details=details, sampled=list(sampled))


def _is_off(spec: Spec) -> bool:
    """Whether a check is off, and whatever is nested in it too."""
    nested = [value for _, value in spec if isinstance(value, Spec)]
    return getattr(spec, "severity", "off") == "off" and all(map(_is_off, nested))
