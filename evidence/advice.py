"""From figures to advice: which model to use, and what to do next, in one paragraph.

Everything here is a pure function of figures that were measured elsewhere: after a run of
the candidate and its baseline models, before one (`kelp advise`) of the baseline models
alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.results.advice import Advice, LearningCurve, Verdict
from contracts.results.evidence import Interval
from evidence.standing import Standing, equal_bound, standing_of
from evidence.wording import figure, with_interval

# Wrong labels from this share on, at the lower end of the interval, are to be corrected first:
# no model can be judged by them either. From the second share on they are worth a look.
WRONG_LABELS = 0.1
SUSPECT_LABELS = 0.02
# Twice the rows are worth fetching where they bring this share of the metric's scale.
WORTHWHILE = 0.005
_SURELY = 0.2
# With fewer rows of train and an interval wider than so many times what counts as equal, which
# model is better at this size says little of which one will be.
FEW_ROWS = 500
_WIDE = 5.0


@dataclass(frozen=True)
class Compared:
    """A model beside another, on the same rows.

    Attributes:
      metric: Its main metric.
      gain: How much better the model that is judged is than this one (positive is better).
    """

    metric: Interval
    gain: Interval


@dataclass(frozen=True)
class SmallerModel:
    """A blessed variant that is much smaller than the network and as good.

    Attributes:
      name: The variant.
      difference: Of the main metric (positive is better).
      share: Its bytes as a share of the network's.
      is_other_network: Whether its weights are those of a smaller network, or fewer weights.
    """

    name: str
    difference: Interval
    share: float
    is_other_network: bool


@dataclass(frozen=True)
class Figures:
    """What the advice is drawn from; None where it was not measured.

    Attributes:
      metric: The main metric.
      higher_is_better: Whether higher is better.
      equal_within: `evaluation.baselines.equal_within`.
      train_rows: How many rows models learned from.
      test_rows: How many rows they were measured on.
      judged: The main metric of the model that is judged: the network, or the trees before
        there is one.
      constant: The constant guess.
      linear: The linear model.
      trees: The trees; None where they are the model that is judged.
      wrong_labels: The estimated share of wrong labels.
      curve: The learning curve.
      smaller: A smaller form of the network.
      is_linear: Whether the network is a linear one.
      is_piecewise: Whether it encodes numbers by bins already, or has none to encode.
      can_be_taught: Whether trees could teach it, and do not.
      all_rows: How many rows the data have, where a sample of them was looked at.
    """

    metric: str
    higher_is_better: bool
    equal_within: float
    train_rows: int
    test_rows: int
    judged: Interval
    constant: Compared | None = None
    linear: Compared | None = None
    trees: Compared | None = None
    wrong_labels: Interval | None = None
    curve: LearningCurve | None = None
    smaller: SmallerModel | None = None
    is_linear: bool = False
    is_piecewise: bool = False
    can_be_taught: bool = False
    all_rows: int | None = None

    def standing(self, rival: Compared | None) -> Standing | None:
        """How the judged model stands to another; None where there is no other."""
        if rival is None:
            return None
        equal = equal_bound(self.equal_within, rival.metric.value, self.higher_is_better)
        return standing_of(rival.gain, equal)


def advise_after_run(figures: Figures) -> Advice:
    """Says after a run whether to use the network, and what to do next."""
    verdict = _common_verdict(figures) or _verdict_of_network(figures)
    return _advice(figures, verdict, _network_sentences(figures, verdict))


def advise_before_run(figures: Figures) -> Advice:
    """Says before a run, by linear model and trees, what a network has to be.

    Args:
      figures: Of the trees, compared with the linear model and the constant guess.
    """
    verdict = _common_verdict(figures) or _verdict_of_trees(figures)
    return _advice(figures, verdict, _tree_sentences(figures, verdict))


def _common_verdict(figures: Figures) -> Verdict | None:
    """What decides before models are compared with one another."""
    wrong = figures.wrong_labels
    if wrong is not None and (wrong.low or 0.0) >= WRONG_LABELS:
        return "better_labels"
    if _nothing_learned(figures):
        return "more_data" if _is_steep(figures) else "better_features"
    return "more_data" if _is_few(figures) else None


def _is_few(figures: Figures) -> bool:
    """Whether there are too few rows for any verdict on models."""
    low, value, high = figures.judged.low, figures.judged.value, figures.judged.high
    if figures.train_rows >= FEW_ROWS or low is None or high is None:
        return False
    return high - low > _WIDE * equal_bound(figures.equal_within, value, figures.higher_is_better)


def _nothing_learned(figures: Figures) -> bool:
    """Whether neither the judged model nor the linear one beats the constant guess."""
    constant, linear = figures.constant, figures.linear
    if constant is None or constant.gain.low is None or constant.gain.low > 0:
        return False
    # The linear model may know what the judged one does not.
    return linear is None or linear.gain.high is None or linear.gain.high >= 0


def _verdict_of_network(figures: Figures) -> Verdict:
    linear, trees = figures.standing(figures.linear), figures.standing(figures.trees)
    if trees == "worse" and not (linear == "worse" and _is_linear_ahead(figures)):
        return "trees"
    if linear in ("worse", "equal") or (figures.is_linear and linear != "better"):
        return "linear"
    if linear in ("unclear", "not worse") or (linear is None and trees == "unclear"):
        return "more_data"
    smaller = figures.smaller
    return "smaller_model" if smaller is not None and smaller.is_other_network else "network"


def _is_linear_ahead(figures: Figures) -> bool:
    """Whether the linear model is at least as good as the trees, by their own figures."""
    if figures.linear is None or figures.trees is None:
        return figures.trees is None
    linear, trees = figures.linear.gain.value, figures.trees.gain.value
    return linear is not None and trees is not None and linear <= trees


def _verdict_of_trees(figures: Figures) -> Verdict:
    linear = figures.standing(figures.linear)
    if linear == "better":
        return "trees"
    return "linear" if linear in ("worse", "equal") else "more_data"


def _is_steep(figures: Figures) -> bool:
    """Whether twice the rows are surely worth something, and enough."""
    curve = figures.curve
    if curve is None or curve.gain.value is None or curve.gain.low is None:
        return False
    bound = equal_bound(WORTHWHILE, curve.doubled.value, curve.higher_is_better)
    return curve.gain.low >= _SURELY * bound and curve.gain.value >= bound


def _also(figures: Figures, verdict: Verdict) -> Iterator[Verdict]:
    wrong = figures.wrong_labels
    if verdict != "better_labels" and wrong is not None and (wrong.low or 0.0) >= SUSPECT_LABELS:
        yield "better_labels"
    if verdict != "more_data" and _is_steep(figures):
        yield "more_data"
    if verdict == "network" and figures.smaller is not None:
        yield "smaller_model"


def _advice(figures: Figures, verdict: Verdict, model: Iterator[str]) -> Advice:
    also = list(_also(figures, verdict))
    sentences = [*model, *_curve_sentences(figures), *_label_sentences(figures, verdict, also)]
    return Advice(verdict=verdict, also=also, paragraph=" ".join(sentences))


def _network_sentences(figures: Figures, verdict: Verdict) -> Iterator[str]:
    name = figures.metric
    own = with_interval(figures.judged.value, figures.judged)
    keep = verdict == "linear" and figures.is_linear
    is_behind = keep and figures.standing(figures.linear) == "worse"
    longer = "Keep the linear network, and train it longer: the linear model is a line as well."
    yield longer if is_behind else "Keep the linear network." if keep else _FIRST_AFTER_RUN[verdict]
    yield f"On {figures.test_rows:,} rows of test its {name} is {own}" + _beside(figures) + "."
    if verdict == "linear" and not keep:
        yield (
            "Set network: {kind: linear} and run again: it is pushed, quantised and served like "
            "any other network."
        )
    if verdict == "trees":
        yield (
            f"Before you give the network up, try {_remedy_against_trees(figures)}; the "
            "leaderboard shows whether that closes the gap."
        )
    if verdict == "more_data":
        yield (
            f"Differences up to {figures.equal_within:g} count as none "
            "(evaluation.baselines.equal_within), and the intervals are wider: bring more rows, "
            "or set evaluation.cross_validation so that every row tests once."
        )
    if figures.smaller is not None and verdict in ("network", "smaller_model"):
        smaller = figures.smaller
        change = with_interval(smaller.difference.value, smaller.difference, "+")
        yield (
            f"Its variant {smaller.name} has {smaller.share:.0%} of the bytes and changes {name} "
            f"by {change}: use that one where size counts."
        )


def _remedy_against_trees(figures: Figures) -> str:
    teacher = "training.teacher: {} (the network then learns from boosted trees as well), "
    rest = "more network.members and the rate that `kelp lr` recommends"
    if not figures.is_piecewise:
        rest = "embedding: piecewise on its numeric features and training.epochs higher"
    elif figures.is_linear:
        rest = "hidden layers, such as network: {kind: mlp, linear_path: true}"
    return teacher + rest if figures.can_be_taught else rest


_FIRST_AFTER_RUN: dict[Verdict, str] = {
    "network": "Use the network.",
    "smaller_model": "Use a smaller network: this one is larger than it needs to be.",
    "linear": "Use a linear network: the deeper one is no better.",
    "trees": "Use the trees: the network is worse than they are.",
    "more_data": "Bring more data: there are too few rows to tell which model is better.",
    "better_labels": "Correct the labels first: too many of them look wrong.",
    "better_features": "Use no model yet: none is shown to beat a constant guess.",
}
_FIRST_BEFORE_RUN: dict[Verdict, str] = {
    **_FIRST_AFTER_RUN,
    "linear": "A linear network is enough: trees find nothing that a line misses.",
    "trees": "Use trees, or a network that can do what they do: a line misses a good part.",
}


def _beside(figures: Figures) -> str:
    """How the judged model compares with the others, as the end of a sentence."""
    parts = [
        f"{_change(rival.gain)} than {title} ({figure(rival.metric.value)})"
        for title, rival in (
            ("the linear model", figures.linear),
            ("the trees", figures.trees),
        )
        if rival is not None and rival.gain.value is not None
    ]
    constant = figures.constant
    if not parts and constant is not None and constant.gain.value is not None:
        parts = [f"{_change(constant.gain)} than the constant guess"]
    return ", " + " and ".join(parts) if parts else ""


def _change(gain: Interval) -> str:
    value, low, high = gain.value or 0.0, gain.low, gain.high
    if low is None or high is None or low <= 0 <= high:
        return f"not shown to be better or worse ({with_interval(value, gain, '+')})"
    if value > 0:
        return f"better by {with_interval(value, gain)}"
    return f"worse by {with_interval(-value, gain.negated)}"


def _tree_sentences(figures: Figures, verdict: Verdict) -> Iterator[str]:
    yield _FIRST_BEFORE_RUN[verdict]
    own = with_interval(figures.judged.value, figures.judged)
    yield (
        f"Boosted trees reach a {figures.metric} of {own} on {figures.test_rows:,} rows that they "
        f"did not see{_beside(figures)}."
    )
    if verdict == "linear":
        yield "Set network: {kind: linear} in the config that `kelp init` writes."
    if verdict == "trees":
        yield (
            "A network comes near with embedding: piecewise on its numeric features: run it, "
            "and read the leaderboard of its report before you push it."
        )
    if verdict == "more_data":
        yield (
            f"Differences up to {figures.equal_within:g} count as none, and the interval is "
            "wider: bring more rows before you choose, and begin with network: {kind: linear}."
        )


def _curve_sentences(figures: Figures) -> Iterator[str]:
    curve = figures.curve
    if curve is None:
        return
    bound = equal_bound(WORTHWHILE, curve.doubled.value, curve.higher_is_better)
    expected = with_interval(curve.doubled.value, curve.doubled)
    first, last = curve.points[0], curve.points[-1]
    seen = (
        f"The learning curve of the {_CURVE_OF.get(curve.model, curve.model)} goes from "
        f"{figure(first.metric.value)} with {first.rows:,} rows to "
        f"{figure(last.metric.value)} with {last.rows:,}; with twice the rows of train, "
        f"{2 * curve.train_rows:,}, it would reach {expected}"
    )
    gain = with_interval(curve.gain.value, curve.gain, "+")
    if _is_steep(figures):
        at_hand = figures.all_rows
        where = (
            f"using, and the data have about {at_hand:,} already: a run learns from all of them"
            if at_hand is not None
            else "collecting"
        )
        yield f"{seen}, a gain of {gain}: more rows are worth {where}."
    elif curve.gain.high is not None and curve.gain.high < bound:
        yield f"{seen}, a gain of {gain}: more rows alone would not help."
    elif curve.gain.low is not None and curve.gain.low > 0:
        yield f"{seen}, a gain of {gain}: it may be too little to be worth collecting them."
    else:
        yield f"{seen}, a gain of {gain}, which may be chance."


_CURVE_OF = {"linear": "linear model", "trees": "trees"}


def _label_sentences(figures: Figures, verdict: Verdict, also: list[Verdict]) -> Iterator[str]:
    wrong = figures.wrong_labels
    if wrong is None or wrong.value is None or "better_labels" not in (verdict, *also):
        return
    share = f"An estimated {wrong.value:.1%} of the labels are wrong"
    if wrong.low is not None and wrong.high is not None:
        share += f" ({wrong.low:.1%} to {wrong.high:.1%})"
    yield (
        f"{share}: read the most suspect rows (data.audit.label_errors) and correct them; no "
        "model learns, and no metric measures, what wrong labels hide."
    )
