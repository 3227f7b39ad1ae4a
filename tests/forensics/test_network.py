"""The detector looks at movement and detail, in pairs of any size, one by one."""

from dataclasses import replace

import pytest
import torch

from motiontransfer.forensics.model import (
    SynthesisDetector,
    initialise_detector,
    movement,
    moves,
)
from motiontransfer.video.tensors import frames_to_tensor
from tests.forensics.planted import CONFIG, walk


def network(**changes):
    torch.manual_seed(0)
    return SynthesisDetector(replace(CONFIG, **changes)).apply(initialise_detector).eval()


def pairs(num_frames=4, **changes):
    tensor = frames_to_tensor(list(walk(num_frames, seed=1, **changes)))
    return torch.stack([tensor[:-1], tensor[1:]], dim=1)


@pytest.mark.parametrize("judged", ["pair", "frame"])
def test_every_weight_gets_a_gradient(judged):
    judge = network(judged=judged)
    judge(pairs()).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in judge.parameters())


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 40)])
def test_any_size_gives_one_score_a_pair(size):
    assert network()(pairs(size=size)).shape == (3,)


def test_a_batch_is_what_its_pairs_are_one_by_one():
    judge, batch = network(), pairs()
    together = judge(batch)
    alone = torch.cat([judge(each[None]) for each in batch])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_brightness_is_not_looked_at():
    judge, batch = network(), pairs() * 0.5
    torch.testing.assert_close(judge(batch), judge(batch + 0.3), rtol=1e-3, atol=1e-3)


def test_what_stands_still_is_not_looked_at():
    judge, batch = network(), pairs()
    batch[..., :16] = batch[:1, :1, ..., :16]  # still now
    other = batch.clone()
    other[..., :8] = torch.rand(3, 64, 8) * 2 - 1  # still, too, but something else
    with torch.inference_mode():
        scores, others = judge(batch), judge(other)
    torch.testing.assert_close(scores, others, rtol=0, atol=0.01 * float(scores.abs().max()))


def test_a_single_frame_judge_sees_only_the_second_frame():
    batch = pairs()
    other = batch.clone()
    other[:, 0] = other[:, 0].flip(-1)
    for judged, same in (("frame", True), ("pair", False)):
        judge = network(judged=judged)
        assert torch.equal(judge.places(batch), judge.places(other)) is same


def test_movement_is_where_frames_differ_and_nowhere_else():
    batch = torch.zeros(1, 2, 3, 32, 32)
    batch[0, 1, :, 8:16, 16:24] = 0.5
    places = movement(batch, (4, 4))
    assert places.nonzero().tolist() == [[0, 1, 2]]
    assert places[0, 1, 2] == pytest.approx(0.5 - 2 / 127.5)


def test_noise_is_no_movement():
    batch = torch.zeros(2, 2, 3, 32, 32)
    batch[0, 1] += 2 / 127.5 * (torch.rand(3, 32, 32) - 0.5)
    batch[1, 1, :, 4:12, 4:12] = 0.3
    assert moves(batch).tolist() == [False, True]
