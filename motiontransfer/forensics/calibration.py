"""From a second's mean logit to a probability: Platt scaling on seconds that were not trained on.

Platt 1999: a logistic curve, fitted to targets that stay short of 0 and 1 by as much as the number
of seconds warrants, so that few of them cannot make the detector sure. Both classes weigh the same:
the probability is that of a video which is as likely to be real as not.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from motiontransfer.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The probability that a second was rendered: expit(slope * logit + offset)."""

    slope: float
    """At least 0; 0: the detector knows nothing, and every probability is a half."""

    offset: float

    @property
    def threshold(self) -> float:
        """The logit from which on something is rather rendered than not."""
        return -self.offset / self.slope if self.slope else float("inf")

    def probability(
        self, logits: Float64[np.ndarray, " seconds"]
    ) -> Float64[np.ndarray, " seconds"]:
        """Of each second's mean logit."""
        return expit(self.slope * logits + self.offset)


def fit_calibration(
    real: Float64[np.ndarray, " real"],
    fake: Float64[np.ndarray, " fake"],
    *,
    num_seconds: int,
) -> Calibration:
    """Fit to mean logits of real and of fake seconds.

    Args:
        num_seconds: how many different ones of each kind there are; the same second encoded in
            several ways says little more than once.

    Raises:
        TrainingError: there are none of one kind.
    """
    if not (len(real) and len(fake)):
        raise TrainingError(
            f"expected seconds of both kinds to calibrate the detector on, got {len(real)} real "
            f"and {len(fake)} rendered in which something moves; use longer clips, or raise "
            "train_forensics.held_out_fraction"
        )
    sure = (num_seconds + 1) / (num_seconds + 2)
    centre = (np.median(real) + np.median(fake)) / 2
    spread = max(float(np.std([*real, *fake])), 1e-6)

    def loss(curve: np.ndarray) -> float:
        scaled_real, scaled_fake = (
            curve[0] * (logits - centre) / spread + curve[1] for logits in (real, fake)
        )
        return float(
            -(sure * log_expit(-scaled_real) + (1 - sure) * log_expit(scaled_real)).mean()
            - (sure * log_expit(scaled_fake) + (1 - sure) * log_expit(-scaled_fake)).mean()
        )

    slope, offset = minimize(loss, [1.0, 0.0], bounds=[(0, None), (None, None)]).x.tolist()
    if slope == 0:
        return Calibration(slope=0.0, offset=0.0)
    return Calibration(slope=slope / spread, offset=offset - slope * float(centre) / spread)
