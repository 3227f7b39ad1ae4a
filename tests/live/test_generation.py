from dataclasses import replace

import numpy as np
import pytest
import torch

from motiontransfer.models.generators import DrawnGenerator, FrameGenerator
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.compositing import draw_puppet
from motiontransfer.rendering.frame import LiveGenerator, LivePuppet, live_generator, render_poses
from motiontransfer.video.tensors import tensor_to_frames
from tests.live.parts import Flat, background_image, renderer, still
from tests.people import SIZE, dance, puppet_of
from tests.training.small import Convolution, Uniform, brighter


def generated(live, keypoints):
    so_far = (keypoints.part(range(index + 1)) for index in range(keypoints.num_frames))
    return [live.generate(poses)() for poses in so_far]


def test_frames_are_those_of_the_clip():
    keypoints = dance(12)
    expected = list(render_poses(renderer(), keypoints))
    frames = generated(LiveGenerator(renderer()), keypoints)
    np.testing.assert_array_equal(frames, expected)
    assert len({frame.tobytes() for frame in frames}) == 12


@pytest.mark.parametrize("previous_frame", ["generated", "corrected"])
def test_faces_are_those_of_the_clip(previous_frame):
    """Of someone who stands still: their boxes need no smoothing."""
    keypoints, faced = still(6), renderer(brighter(), Flat(-0.3), previous_frame=previous_frame)
    expected = list(render_poses(faced, keypoints))
    frames = generated(LiveGenerator(faced), keypoints)
    np.testing.assert_array_equal(frames, expected)
    without = list(render_poses(renderer(brighter()), keypoints))
    assert not np.array_equal(frames, without)


def test_after_a_restart_it_is_a_new_beginning():
    live, keypoints = LiveGenerator(renderer()), dance(4)
    (background,) = tensor_to_frames(background_image()[None])
    np.testing.assert_array_equal(live.background, background)
    frames = generated(live, keypoints)
    assert not np.array_equal(frames[0], frames[1])
    live.restart()
    np.testing.assert_array_equal(live.generate(keypoints.part(range(1)))(), frames[0])
    without = LiveGenerator(renderer(FrameGenerator(Convolution()))).background
    assert without.shape == (*SIZE, 3)
    assert not without.any()


def test_of_a_drawn_target_shadows_are_generated_in_each_pose():
    """Larger than they are generated, in a room whose background image is grey."""
    network = DrawnGenerator(torch.zeros(3, *SIZE), Uniform(0.5, 0.5, 0.5))
    appearance = puppet_of(dance(3, size=(4 * SIZE[0], 4 * SIZE[1])), [0]).appearance
    grey = replace(appearance, background=np.full_like(appearance.background, 128))
    network.puppet = Puppet(grey, SIZE)
    live = live_generator(renderer(network))
    (frame,) = generated(live, dance(1))
    assert frame.shape == live.background.shape == (4 * SIZE[0], 4 * SIZE[1], 3)
    assert frame[0, 0].tolist() == [191] * 3
    assert (live.background == 128).all()
    clip = Puppet(grey, SIZE).follow(dance(1))
    lit = np.full_like(grey.background, 191)
    np.testing.assert_array_equal(frame, draw_puppet(clip, 0, SIZE, lit)[..., :3])


def test_a_puppet_alone_is_drawn_where_it_is_shown():
    poses, size = dance(4), (4 * SIZE[0], 4 * SIZE[1])
    appearance = puppet_of(dance(3, size=size), [0]).appearance
    live = LivePuppet(appearance, SIZE)
    frames = generated(live, poses)
    assert live.background.shape == frames[0].shape == (*size, 3)
    first = Puppet(appearance, SIZE).follow(poses.part(range(1)))
    drawn = draw_puppet(first, 0, SIZE, appearance.background)
    np.testing.assert_array_equal(frames[0], drawn[..., :3])
    assert drawn[..., 3].any()
    live.restart()
    np.testing.assert_array_equal(live.generate(poses.part(range(1)))(), frames[0])
