"""The summary also has the slices that TFMA cannot compute."""

from contracts.results.evidence import Evidence, Interval, SliceEvidence
from pipelines.runs.figure_slices import slices_by_figures


def _slice(source: str = "config", **key: str | int) -> SliceEvidence:
    metrics = {"roc_auc": Interval(value=0.8, low=0.7, high=0.9)}
    return SliceEvidence(slice=key, source=source, rows=30, metrics=metrics)


def test_listed_slices_by_figures_are_those_that_tfma_lacks() -> None:
    few = SliceEvidence(slice={"review_words": 2}, source="config", rows=3, insufficient="few")
    slices = [
        _slice(shop="a"),
        _slice(review_words=1),
        _slice(review_words=1, shop="a"),
        _slice("found", review_words=7),
        few,
    ]
    listed = slices_by_figures(Evidence.model_construct(slices=slices), {"review_words"})
    assert [entry.slice for entry in listed] == [
        {"review_words": 1},
        {"review_words": 1, "shop": "a"},
        {"review_words": 2},
    ]
    assert (listed[0].rows, listed[0].metrics) == (30, {"roc_auc": 0.8})
    assert (listed[2].insufficient, listed[2].metrics) == ("few", None)
