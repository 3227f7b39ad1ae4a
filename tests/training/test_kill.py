"""A training that is killed at random moments ends in the bytes of one that never was."""

import random
import time

import pytest

from tests.dancer import dance, training_clip
from tests.digests import digests
from tests.training.together import start
from tests.training.trainings import (
    train_coarse_to_fine,
    train_face,
    train_main,
    train_until,
    write_main_weights,
)

NUM_STEPS = 36
CHANGES = {
    **{"num_steps": NUM_STEPS, "batch_size": 1, "log_every_steps": 1},
    **{"sample_every_steps": 12, "checkpoint_every_steps": 3},
}


def results(folder):
    """Digests of weights and curves; where each picture is."""
    return {name: name.endswith(".png") or digest for name, digest in digests(folder).items()}


@pytest.mark.parametrize(
    ("train", "certain"), [(train_main, ()), (train_face, ()), (train_coarse_to_fine, (11, 12, 13))]
)
def test_a_training_killed_at_random_moments_ends_in_the_same_bytes(tmp_path, train, certain):
    """And soon after certain steps: where a local enhancer is about to grow, or just has."""
    clips = [training_clip(tmp_path, dance(8))]
    for name in ("whole", "killed"):
        write_main_weights(tmp_path / name)
    start(write_main_weights, tmp_path / "warm").join()  # what the first process of all waits for
    began = time.monotonic()
    whole = start(train, clips, tmp_path / "whole", CHANGES)
    whole.join()
    assert whole.exitcode == 0
    seconds_a_step = (time.monotonic() - began) / NUM_STEPS
    moments = random.Random(train.__name__)
    for step in sorted([*moments.sample(range(1, NUM_STEPS - 10), 4), *certain]):
        seconds = moments.uniform(0, seconds_a_step)
        process = start(train_until, step, seconds, train, clips, tmp_path / "killed", CHANGES)
        process.join()
        assert process.exitcode == -9
    assert len(list((tmp_path / "killed/checkpoints").iterdir())) == 1
    last = start(train, clips, tmp_path / "killed", CHANGES)
    last.join()
    assert last.exitcode == 0
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
