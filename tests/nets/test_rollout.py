"""Frame after frame, each from its own pose and the frame made before it."""

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.models.generators import FrameGenerator, HalfSizeGenerator, roll_out
from motiontransfer.pose.rendering import PoseMapStyle, draw_poses
from motiontransfer.skeleton import HOLISTIC
from tests.dancer import dance

SIZE = (48, 40)
STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)


class Counting(nn.Module):
    """Adds one to the frame before; remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.poses, self.previous, self.inference = [], [], []

    def forward(self, pose_map, previous_frame):
        self.poses.append(pose_map.clone())
        self.previous.append(previous_frame.clone())
        self.inference.append(torch.is_inference_mode_enabled())
        return previous_frame + 1


def rolled(generator, keypoints, **options):
    return roll_out(
        generator,
        keypoints.points,
        keypoints.score,
        skeleton=HOLISTIC,
        size=SIZE,
        style=STYLE,
        device=torch.device("cpu"),
        **options,
    )


@pytest.mark.parametrize("num_frames", [1, 7, 8, 9, 19])
def test_each_frame_is_made_from_the_one_before_and_the_first_from_zeros(num_frames):
    generator = Counting()
    frames = list(rolled(generator, dance(num_frames)))
    assert [frame.unique().tolist() for frame in frames] == [[k + 1] for k in range(num_frames)]
    assert frames[0].shape == (3, *SIZE)
    assert [p.unique().tolist() for p in generator.previous] == [[k] for k in range(num_frames)]


def test_each_frame_is_shown_its_own_pose():
    """Also beyond the first chunk."""
    generator, keypoints = Counting(), dance(19)
    list(rolled(generator, keypoints))
    expected = draw_poses(
        torch.from_numpy(keypoints.points),
        torch.from_numpy(keypoints.score),
        skeleton=HOLISTIC,
        size=SIZE,
        style=STYLE,
    )
    assert torch.equal(torch.cat(generator.poses), expected)


def test_no_poses_give_no_frames():
    assert list(rolled(Counting(), dance(0))) == []


def test_the_future_does_not_matter_and_frames_come_one_at_a_time():
    generator = Counting()
    frames = rolled(generator, dance(12))
    next(frames)
    next(frames)
    assert len(generator.poses) == 2
    short, long = list(rolled(Counting(), dance(3))), list(rolled(Counting(), dance(12)))
    assert all(torch.equal(a, b) for a, b in zip(short, long, strict=False))


def test_inference_mode_and_autocast_stay_inside():
    generator = Counting()
    entered = []

    class Autocast:
        def __enter__(self):
            entered.append(True)

        def __exit__(self, *_):
            entered.append(False)

    frames = rolled(generator, dance(10), autocast=Autocast)
    for index, _ in enumerate(frames):
        assert not torch.is_inference_mode_enabled()
        assert entered == [True, False] * (index + 1)
        assert torch.ones(1, requires_grad=True).mul(2).requires_grad
    assert all(generator.inference)


def test_poses_are_not_changed():
    keypoints = dance(4)
    before = keypoints.points.copy()
    list(rolled(Counting(), keypoints))
    assert np.array_equal(keypoints.points, before)


class Shown(FrameGenerator):
    """Remembers the pose maps it was shown."""

    def __init__(self, conditioning_poses):
        super().__init__(nn.Identity(), conditioning_poses=conditioning_poses)
        self.shown = []

    def forward(self, pose_map, previous_frame):
        self.shown.append(pose_map)
        return previous_frame


@pytest.mark.parametrize("num_poses", [1, 2, 3])
def test_a_generator_is_shown_as_many_poses_as_it_was_trained_on(num_poses):
    """Also beyond the first chunk; before the first there is nothing to see."""
    generator, keypoints = Shown(num_poses), dance(19)
    list(rolled(generator, keypoints))
    drawn = draw_poses(
        torch.from_numpy(keypoints.points),
        torch.from_numpy(keypoints.score),
        skeleton=HOLISTIC,
        size=SIZE,
        style=STYLE,
    )
    nothing = torch.zeros_like(drawn[0])
    for time, shown in enumerate(generator.shown):
        past = range(time - num_poses + 1, time + 1)
        assert torch.equal(shown[0], torch.cat([drawn[t] if t >= 0 else nothing for t in past]))
    assert len(generator.shown) == 19


def test_a_generator_of_half_the_size_is_rolled_out_like_one_of_the_whole():
    class Small(Shown):
        def forward(self, pose_map, previous_frame):
            super().forward(pose_map, previous_frame)
            return previous_frame + 1

    generator = Small(2)
    frames = list(rolled(HalfSizeGenerator(generator), dance(9)))
    assert [frame.unique().tolist() for frame in frames] == [[k + 1] for k in range(9)]
    assert frames[0].shape == (3, *SIZE)
    split_real_fake = {tuple(shown.shape[1:]) for shown in generator.shown}
    assert split_real_fake == {(2 * STYLE.num_channels, SIZE[0] // 2, SIZE[1] // 2)}
