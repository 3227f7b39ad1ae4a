from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.models.generators import FrameGenerator, Generated, ImageNetwork
from motiontransfer.pose.boxes import Viewport, ViewportFollower
from motiontransfer.pose.drawing import coarse_size
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.rendering.rollout import Rollout
from motiontransfer.rendering.torch_networks import TorchNetworks, generate_clip
from tests.people import SIZE, dance, scaled
from tests.training.small import STYLE, Convolution, StandIn


class Counter(StandIn):
    """Adds one to the previous frame and records its inputs."""

    def __init__(self, conditioning_poses=1):
        super().__init__(self.count, conditioning_poses=conditioning_poses)
        self.pose_maps, self.previous = [], []

    def count(self, pose_map, previous_frame):
        self.pose_maps.append(pose_map.clone())
        self.previous.append(previous_frame.clone())
        return previous_frame + 1


def rolled_out(generator, keypoints, **options):
    frames = generate_clip(generator, keypoints, style=STYLE, **options)
    return (frame for (frame,) in frames)


@pytest.mark.parametrize("num_frames", [0, 1, 7, 8, 9, 19])
def test_each_frame_is_generated_from_the_one_before_and_the_first_from_zeros(num_frames):
    generator = Counter()
    frames = list(rolled_out(generator, dance(num_frames)))
    assert [frame.unique().tolist() for frame in frames] == [[k + 1] for k in range(num_frames)]
    assert all(frame.shape == (3, *SIZE) for frame in frames)
    assert [p.unique().tolist() for p in generator.previous] == [[k] for k in range(num_frames)]


@pytest.mark.parametrize("num_poses", [1, 2, 3])
def test_each_frame_is_conditioned_on_its_own_pose_and_those_before(num_poses):
    """Also beyond the first chunk; before the first pose there are empty maps."""
    generator, keypoints = Counter(num_poses), dance(19)
    points = keypoints.points.copy()
    list(rolled_out(generator, keypoints))
    assert np.array_equal(keypoints.points, points)
    drawn = PoseDrawer(skeleton=HOLISTIC, style=STYLE).draw(
        torch.from_numpy(keypoints.points), torch.from_numpy(keypoints.score), size=SIZE
    )
    empty = torch.zeros_like(drawn[0])
    assert len(generator.pose_maps) == 19
    for time, pose_map in enumerate(generator.pose_maps):
        past = range(time - num_poses + 1, time + 1)
        assert torch.equal(pose_map[0], torch.cat([drawn[t] if t >= 0 else empty for t in past]))


@pytest.mark.parametrize(("num_poses", "viewport"), [(1, False), (3, True)])
def test_poses_may_arrive_one_by_one(num_poses, viewport):
    """The boxes of the walk change."""
    torch.manual_seed(0)
    keypoints = dance(9)
    network = Convolution(num_poses * STYLE.num_channels + 3, 4, 3)
    how = {"viewport": VIEWPORT, "shadows": Shadow()} if viewport else {}
    room = torch.rand(3, *SIZE)
    generator = FrameGenerator(network, room, conditioning_poses=num_poses, **how)
    together, rollout = (Rollout(TorchNetworks(generator, size=SIZE, style=STYLE)) for _ in "ab")
    frame = expected = None
    for index, whole in enumerate(together.draw(keypoints)):
        (pose,) = rollout.draw(keypoints.part(range(index, index + 1)))
        frame, expected = rollout.step(pose, frame).image, together.step(whole, expected).image
        torch.testing.assert_close(frame, expected, rtol=0, atol=1e-6)
    assert list(rollout.draw(keypoints.part(range(0)))) == []


VIEWPORT = Viewport(margin_px=1.0, multiple_of=4)


def boxes_of(keypoints):
    follower = ViewportFollower(VIEWPORT, image_size=keypoints.image_size)
    placed = follower.place(keypoints.points, keypoints.score).tolist()
    assert len({(x0, y0) for x0, y0, _, _ in placed}) > 2  # it moves, ...
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in placed}) > 1  # and changes in size
    return placed


class Shadow(ImageNetwork):
    """One constant in the coarse maps, and more in the left half."""

    def __init__(self, *, constant=0.5, more=0.25, size=None):
        super().__init__(1, 1)
        self.constant, self.more = constant, more
        self.size = size or coarse_size(SIZE)

    def of_padded(self, coarse_poses):
        assert coarse_poses.shape[2:] == self.size
        shadow = torch.full((len(coarse_poses), 3, *self.size), self.constant)
        shadow[..., : self.size[1] // 2] += self.more
        return shadow


def test_a_viewport_shows_the_same_as_the_whole_frame_and_the_background_around_it():
    """Seen with a network that looks at single pixels."""
    torch.manual_seed(0)
    keypoints, plate = dance(9), torch.rand(3, *SIZE)
    options = {"previous_frame": "none", "conditioning_poses": 2}
    network = Convolution(2 * STYLE.num_channels, 4)
    in_viewport = FrameGenerator(network, plate, **options, viewport=VIEWPORT, shadows=Shadow())
    scene = in_viewport.scene(torch.zeros(1, 1, *coarse_size(SIZE)))[0]
    middle = SIZE[1] // 2
    levels = torch.full((SIZE[1],), 0.5)
    levels[:middle] = 0.75
    # Beside the step, two of three coarse pixels are of one side.
    levels[middle - 1 : middle + 1] = torch.tensor([0.75 - 0.25 / 3, 0.5 + 0.25 / 3])
    torch.testing.assert_close(scene, plate + levels)
    whole = rolled_out(FrameGenerator(network, scene, **options), keypoints)
    frames = rolled_out(in_viewport, keypoints)
    for frame, expected, box in zip(frames, whole, boxes_of(keypoints), strict=True):
        inside = torch.zeros(SIZE, dtype=torch.bool)
        inside[box[1] : box[3], box[0] : box[2]] = True
        torch.testing.assert_close(frame[:, inside], expected[:, inside], atol=1e-5, rtol=0)
        assert torch.equal(frame[:, ~inside], scene[:, ~inside])


class PreviousPlusOne(FrameGenerator):
    """Adds one to the previous frame; asserts that its background is that of the viewport."""

    def forward(self, pose_map, previous_frame, background=None):
        assert pose_map.shape[2:] == previous_frame.shape[2:] == background.shape[2:]
        return Generated(previous_frame + 1)

    def scene(self, coarse_poses):
        return self.background_image[None].clone()


def test_the_previous_frame_is_seen_where_the_viewport_is_now():
    keypoints, plate = dance(14), torch.full((3, *SIZE), -5.0)
    generator = PreviousPlusOne(Convolution(), plate, viewport=VIEWPORT)
    before, boxes = torch.zeros(3, *SIZE), boxes_of(keypoints)
    for frame, (x0, y0, x1, y1) in zip(rolled_out(generator, keypoints), boxes, strict=True):
        expected = plate.clone()
        expected[:, y0:y1, x0:x1] = before[:, y0:y1, x0:x1] + 1
        assert torch.equal(frame, expected)
        before = expected


@pytest.mark.parametrize(
    ("size", "coarse"), [((256, 192), (64, 48)), ((250, 260), (62, 64)), ((48, 40), (48, 40))]
)
def test_coarse_pose_maps_lie_over_the_frame(size, coarse):
    assert coarse_size(size) == coarse
    keypoints = scaled(dance(3), size[0] / SIZE[0] * 0.8)
    drawer = PoseDrawer(skeleton=HOLISTIC, style=replace(STYLE, line_width_px=16.0))
    poses = torch.from_numpy(keypoints.points), torch.from_numpy(keypoints.score)
    fine = drawer.draw(*poses, size=size)
    centres = []
    reduced = nn.functional.interpolate(fine, size=coarse, mode="area")
    for maps in (reduced, drawer.draw_coarse(*poses, size=size)):
        shares = maps.sum(1) / maps.sum((1, 2, 3))[:, None, None]
        y, x = (torch.arange(n) + 0.5 for n in coarse)
        centres.append(torch.stack([shares.sum(2) @ y, shares.sum(1) @ x]))
    torch.testing.assert_close(centres[1], centres[0], atol=0.3, rtol=0)
