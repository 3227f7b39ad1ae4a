"""Which frames of a window are judged together, by whom."""

import pytest
import torch
from torch import nn

from motiontransfer.nets.discriminators import Judgement
from motiontransfer.nets.window_discriminators import (
    WindowDiscriminator,
    WindowDiscriminators,
    frames_at_once,
)


class Judge(nn.Module):
    """Remembers what it was shown; its logits are the images' means."""

    def forward(self, condition, images):
        self.shown = condition, images
        means = images.mean((1, 2, 3), keepdim=True)
        return [Judgement(logits=means, features=(means,))]


def numbered(batch, time, channels=3):
    """Frame t of sample b is 10 b + t everywhere."""
    numbers = 10.0 * torch.arange(batch)[:, None] + torch.arange(time)
    return numbers[:, :, None, None, None].expand(-1, -1, channels, 4, 4)


def seen(images):
    return images[:, :, 0, 0].tolist()


def test_every_three_frames_two_apart_are_judged_with_their_poses():
    judge = Judge()
    poses, frames = numbered(2, 6, channels=1), torch.cat([numbered(2, 6), numbered(2, 6) + 100])
    WindowDiscriminator(judge, num_frames=3, stride=2)(poses, frames)
    condition, images = judge.shown
    expected = [[0, 2, 4], [10, 12, 14], [1, 3, 5], [11, 13, 15]]
    assert seen(condition) == expected
    of_frames = [[value for value in row for _ in range(3)] for row in expected]
    fake = [[value + 100 for value in row] for row in of_frames]
    assert seen(images) == of_frames + fake  # all of the real ones first


def test_each_is_asked_by_its_name_and_all_are_trained():
    judges = [nn.Sequential(Judge()), nn.Linear(2, 3), nn.Linear(4, 5)]
    spans = frames_at_once(5, temporal_strides=[1, 2])
    each = [
        WindowDiscriminator(j, num_frames=n, stride=s)
        for j, (n, s) in zip(judges, spans, strict=True)
    ]
    together = WindowDiscriminators(each[0], each[1:])
    assert list(together.by_name) == ["consecutive", "stride_1", "stride_2"]
    assert list(together.by_name.values()) == each
    assert len(list(together.parameters())) == 4


def test_what_each_says_bears_its_name():
    each = [WindowDiscriminator(Judge(), num_frames=n, stride=1) for n in (2, 3)]
    said = WindowDiscriminators(each[0], each[1:])(numbered(1, 3, channels=2), numbered(2, 3))
    logits = {name: judged[0].logits.flatten().tolist() for name, judged in said.items()}
    # one sample: real pairs, fake pairs; real three, fake three
    assert logits == {"consecutive": [0.5, 1.5, 10.5, 11.5], "stride_1": [1, 11]}


@pytest.mark.parametrize(
    ("window_frames", "strides", "expected"),
    [
        (1, (), [(1, 1)]),
        (2, (), [(2, 1)]),
        (4, (), [(2, 1)]),
        (3, (1,), [(2, 1), (3, 1)]),
        (5, (1, 2), [(2, 1), (3, 1), (3, 2)]),
    ],
)
def test_frames_that_are_judged_at_once(window_frames, strides, expected):
    assert frames_at_once(window_frames, temporal_strides=strides) == expected


@pytest.mark.parametrize(("window_frames", "strides"), [(2, (1,)), (4, (1, 2)), (1, (1,))])
def test_windows_too_short_for_a_stride_are_refused(window_frames, strides):
    span = 2 * max(strides) + 1
    with pytest.raises(
        ValueError, match=rf"{max(strides)} apart span {span}, got windows of {window_frames}"
    ):
        frames_at_once(window_frames, temporal_strides=strides)
