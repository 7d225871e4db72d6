"""The config of the report: what only a person can say of a model."""

from __future__ import annotations

from contracts.spec import Spec


class CardSpec(Spec):
    """The model card's facts (Mitchell et al., 2019); what is not given is reported as missing.

    Attributes:
      owner: Who answers for the model.
      contact: How to reach them.
      intended_use: What the model is for, and for whom.
      out_of_scope: What it must not be used for.
      limits: Where it is known to be weak.
      ethics: Whom it may harm, and what was done about it.
      data: Where the data come from, and under which licence.
      license: The licence of the model.
    """

    owner: str | None = None
    contact: str | None = None
    intended_use: str | None = None
    out_of_scope: str | None = None
    limits: str | None = None
    ethics: str | None = None
    data: str | None = None
    license: str | None = None
