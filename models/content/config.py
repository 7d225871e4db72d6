"""The config of the data audit of images and texts: severities and bounds."""

from __future__ import annotations

from pydantic import Field

from contracts.results.evidence import Severity
from contracts.spec import Spec


class CheckSpec(Spec):
    """A check of the data audit.

    Attributes:
      severity: What a failure does.
    """

    severity: Severity = "warn"


class ShareSpec(CheckSpec):
    """A share that must not be exceeded.

    Attributes:
      max_share: Of the rows looked at, or as its check says.
    """

    max_share: float = Field(0.01, ge=0, le=1)


class SizesSpec(ShareSpec):
    """Images whose size is unlike that of the others.

    Attributes:
      factor: How many times shorter, longer, or flatter than the median image is unlike.
    """

    max_share: float = Field(0.01, ge=0, le=1)
    factor: float = Field(4.0, gt=1)


class ImagesAuditSpec(Spec):
    """What the audit looks for in images.

    Attributes:
      rows: Of how many rows of all splits images are decoded; of more, a sample is drawn.
      unreadable: Images that cannot be decoded, or not to the end.
      blank: Images of one colour.
      sizes: Images of odd sizes.
      across: Images of val or test that train has too, whatever their labels.
      near: Images of val or test that are nearly one of train: resized, compressed again.
      border: The share of a class's images that their border alone gives away.
    """

    rows: int = Field(20_000, ge=100)
    unreadable: ShareSpec = ShareSpec(severity="block", max_share=0.0)
    blank: ShareSpec = ShareSpec(max_share=0.005)
    sizes: SizesSpec = SizesSpec()
    across: ShareSpec = ShareSpec(max_share=0.001)
    near: ShareSpec = ShareSpec(max_share=0.005)
    border: ShareSpec = ShareSpec(max_share=0.3)


class TextsAuditSpec(Spec):
    """What the audit looks for in texts.

    Attributes:
      rows: How many texts of all splits are looked at; of more, a sample is drawn.
      empty: Texts without a word.
      markup: Texts with tags or character references of HTML.
      across: Texts of val or test that train has too, whatever their labels.
      near: Texts of val or test that are nearly one of train.
      token: The share of a class's texts that one token alone gives away.
      unknown: The share of the tokens of val or test that train does not have.
    """

    rows: int = Field(100_000, ge=100)
    empty: ShareSpec = ShareSpec(max_share=0.01)
    markup: ShareSpec = ShareSpec(max_share=0.05)
    across: ShareSpec = ShareSpec(max_share=0.01)
    near: ShareSpec = ShareSpec(max_share=0.01)
    token: ShareSpec = ShareSpec(max_share=0.05)
    unknown: ShareSpec = ShareSpec(max_share=0.15)
