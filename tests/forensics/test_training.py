"""A planted artifact is found in unseen people, and only that."""

import numpy as np
import pytest

from motiontransfer.forensics.data import CORRUPTIONS, SegmentSet, both_sides
from motiontransfer.forensics.evaluation import (
    area_under_curve,
    balanced_accuracy,
    evaluate,
    metrics,
)
from tests.forensics.planted import clip_pairs


def test_a_planted_artifact_is_found_in_an_unseen_subject(detector, tmp_path):
    found = evaluate(detector, both_sides(clip_pairs(tmp_path, "new", seed=99)))
    assert set(found) == set(CORRUPTIONS)
    scores = {name: map(np.concatenate, (of.real, of.fake)) for name, of in found.items()}
    for corruption, (real, fake) in scores.items():
        assert area_under_curve(real, fake) >= 0.95, corruption
        if corruption == "exact":
            threshold = detector.calibration.threshold
            assert balanced_accuracy(real, fake, threshold=threshold) >= 0.9


@pytest.mark.slow
def test_where_it_was_not_planted_it_is_not_found(detector, tmp_path):
    """Two real subjects, one of them called fake: nothing tells them apart."""
    one, other = (clip_pairs(tmp_path, f"n{seed}", seed=seed) for seed in (60, 61))
    clips = SegmentSet(real=both_sides(one).real, fake=both_sides(other).real)
    scores = evaluate(detector, clips)["exact"]
    confusion = metrics(scores, threshold=detector.calibration.threshold)["confusion"]
    assert confusion["fake"]["predicted_fake"] <= 0.1 * confusion["fake"]["predicted_real"]
