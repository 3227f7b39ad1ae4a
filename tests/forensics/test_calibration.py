"""Scores become probabilities that are as sure as the held-out seconds allow."""

import numpy as np
import pytest
from scipy.special import logit

from motiontransfer.errors import TrainingError
from motiontransfer.forensics.model import Calibration, fit_calibration

DRAWS = np.random.default_rng(0)


def test_separated_seconds_reach_platts_targets():
    for count in (1, 3, 20):
        fitted = fit_calibration(np.full(4, -2.0), np.full(4, 6.0), num_seconds=count)
        low, middle, high = fitted.probability(np.array([-2.0, 2.0, 6.0]))
        assert (low, middle) == (pytest.approx(1 / (count + 2), abs=1e-3), pytest.approx(0.5))
        assert high == pytest.approx((count + 1) / (count + 2), abs=1e-3)


def test_it_finds_the_odds_that_scores_were_drawn_with():
    # log odds of N(1, 1) against N(-1, 1) are 2x; of N(5, 1) against N(1, 1) 4x - 12
    for centre, half in ((0, 1), (3, 2)):
        real = DRAWS.normal(centre - half, 1, 20_000)
        fake = DRAWS.normal(centre + half, 1, 20_000)
        fitted = fit_calibration(real, fake, num_seconds=20_000)
        assert fitted.slope == pytest.approx(2 * half, rel=0.1)
        assert fitted.threshold == pytest.approx(centre, abs=0.1)


def test_how_many_of_each_kind_does_not_matter():
    real, fake = DRAWS.normal(-1, 1, 4000), DRAWS.normal(1, 1, 400)
    fitted = fit_calibration(real, fake, num_seconds=400)
    assert fitted.threshold == pytest.approx(0, abs=0.15)


def test_scores_the_wrong_way_round_say_nothing():
    fitted = fit_calibration(np.array([2.0, 3.0]), np.array([-1.0, 0.0]), num_seconds=2)
    assert fitted.probability(np.array([-9.0, 9.0])).tolist() == [0.5, 0.5]
    assert fitted.threshold == float("inf")


def test_the_threshold_is_where_it_is_as_likely_as_not():
    calibration = Calibration(slope=2.0, offset=-3.0)
    assert logit(calibration.probability(np.array([calibration.threshold])))[0] == pytest.approx(0)


def test_one_kind_alone_is_told():
    with pytest.raises(TrainingError, match=r"got 0 real and 1 rendered .*held_out_fraction"):
        fit_calibration(np.zeros(0), np.ones(1), num_seconds=1)
