"""How well scores tell rendered from filmed: AUC, accuracy, with intervals.

Chan et al. 2019 count pairs of consecutive frames, and so does this. Pairs of one second are all
alike, so the bootstrap draws whole seconds, of each kind by itself: an interval says what other
seconds of such videos would have given, not what other people would have.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.stats import rankdata

Logits = Float64[np.ndarray, " _"]
"""Of the pairs of one second, or of many."""

_NUM_DRAWS = 1000
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Logits of pairs, second by second; seconds in which nothing moves have none."""

    real: Sequence[Logits]
    fake: Sequence[Logits]

    @property
    def judged(self) -> "Scores":
        """Only the seconds that have any."""
        return Scores(
            real=[logits for logits in self.real if len(logits)],
            fake=[logits for logits in self.fake if len(logits)],
        )


def area_under_curve(real: Logits, fake: Logits) -> float:
    """How often a fake pair scores higher than a real one; a tie counts half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([real, fake]))
    above = ranks[len(real) :].sum() - len(fake) * (len(fake) + 1) / 2
    return float(above / (len(real) * len(fake)))


def roc_curve(
    real: Logits, fake: Logits
) -> tuple[Float64[np.ndarray, " thresholds"], Float64[np.ndarray, " thresholds"]]:
    """False and true positive rates, from the highest threshold to the lowest."""
    thresholds = np.unique(np.concatenate([real, fake]))[::-1]
    rates = [
        np.array([0.0, *((logits >= threshold).mean() for threshold in thresholds)])
        for logits in (real, fake)
    ]
    return rates[0], rates[1]


def accuracy(real: Logits, fake: Logits, *, threshold: float) -> float:
    """Mean of the shares of real and of fake pairs that are told for what they are."""
    return float(((real < threshold).mean() + (fake >= threshold).mean()) / 2)


def measure(scores: Scores, *, threshold: float) -> dict[str, object]:
    """AUC and accuracy with 95 % intervals, and the confusion table, all counted in pairs.

    Args:
        threshold: from this logit on a pair counts as fake.
    """
    judged = scores.judged
    counts = {
        "seconds": {"real": len(judged.real), "fake": len(judged.fake)},
        "seconds_without_movement": len(scores.real)
        + len(scores.fake)
        - len(judged.real)
        - len(judged.fake),
    }
    if not (judged.real and judged.fake):
        return counts
    real, fake = np.concatenate(judged.real), np.concatenate(judged.fake)
    measures: dict[str, Callable[[Logits, Logits], float]] = {
        "auc": area_under_curve,
        "accuracy": lambda real, fake: accuracy(real, fake, threshold=threshold),
    }
    return {
        **{name: round(of(real, fake), 4) for name, of in measures.items()},
        **{
            f"{name}_{end}": value
            for name, of in measures.items()
            for end, value in zip(("low", "high"), interval(judged, of), strict=True)
        },
        "confusion": {
            kind: {
                "judged_real": int((logits < threshold).sum()),
                "judged_fake": int((logits >= threshold).sum()),
            }
            for kind, logits in (("real", real), ("fake", fake))
        },
        **counts,
    }


def interval(scores: Scores, of: Callable[[Logits, Logits], float]) -> tuple[float, float]:
    """95 % interval by bootstrap of seconds; (0, 1) where there are fewer than two of a kind."""
    if min(len(scores.real), len(scores.fake)) < 2:
        return 0.0, 1.0
    draws = np.random.default_rng(0)
    drawn = [
        of(_redrawn(scores.real, draws), _redrawn(scores.fake, draws)) for _ in range(_NUM_DRAWS)
    ]
    low, high = np.quantile(drawn, _QUANTILES)
    return round(float(low), 4), round(float(high), 4)


def _redrawn(seconds: Sequence[Logits], draws: np.random.Generator) -> Logits:
    return np.concatenate([seconds[i] for i in draws.integers(len(seconds), size=len(seconds))])
