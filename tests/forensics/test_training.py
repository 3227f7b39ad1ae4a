"""A planted artifact is found in unseen people, and only that; a stopped run resumes exactly."""

import numpy as np
import pytest
import torch
from PIL import Image

from motiontransfer.forensics.data import CORRUPTIONS, SegmentSet, both_sides
from motiontransfer.forensics.evaluation import (
    area_under_curve,
    balanced_accuracy,
    evaluate,
    metrics,
)
from motiontransfer.forensics.training import DetectorTask
from motiontransfer.training.checkpoint import load_checkpoint
from tests.forensics.planted import clip_pairs, train


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


@pytest.mark.slow
def test_a_stopped_training_resumes_to_the_same_average_which_is_kept(tmp_path, monkeypatch):
    training, calibration = clip_pairs(tmp_path, "a", seed=1), clip_pairs(tmp_path, "b", seed=2)
    whole, throughput = train(training, calibration, tmp_path / "whole", steps=5)
    step, taken = DetectorTask.step, []

    def failing(self, share, *, step, learning_rate, real=step):
        taken.append(step)
        if len(taken) == 4:
            raise RuntimeError("the machine went down")
        return real(self, share, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(DetectorTask, "step", failing)
    with pytest.raises(RuntimeError, match="went down"):
        train(training, calibration, tmp_path / "stopped", steps=5)
    again, _ = train(training, calibration, tmp_path / "stopped", steps=5)
    assert taken == [0, 1, 2, 3, 2, 3, 4]
    assert again.calibration == whole.calibration
    state, resumed = (load_checkpoint(tmp_path / name).state for name in ("whole", "stopped"))
    assert state.keys() == resumed.keys()
    assert all(torch.equal(state[name], resumed[name]) for name in state)
    assert throughput.steps == 5
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, state[f"network_ema.{name}"])
    assert not torch.equal(state["network_ema.layers.0.weight"], state["network.layers.0.weight"])
    with Image.open(tmp_path / "whole/live/plots/images/step_000005.png") as image:
        assert image.size == (6 * 32, 2 * 32)  # three clips, two frame pairs of each
