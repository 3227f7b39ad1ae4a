import threading
from functools import cache
from unittest.mock import Mock, patch

import cv2
import numpy as np
import pytest
import torch

from motiontransfer.core.errors import KeypointsError, MissingFileError, ParamsError
from motiontransfer.models.faces import add_residuals, crop_boxes
from motiontransfer.models.generators import DrawnGenerator, FrameGenerator, Generated
from motiontransfer.pose.boxes import ViewportFollower, face_boxes
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering import renderer as module
from motiontransfer.rendering.compositing import draw_puppet, face_box_weight
from motiontransfer.rendering.frame import render_masked, render_poses, result_size
from motiontransfer.video.geometry import resize
from tests.live.parts import Flat, renderer
from tests.people import SIZE, dance, puppet_of
from tests.stages.project import write_models
from tests.training.small import STYLE, VIEWPORT, Convolution, Uniform, brighter, faceless, runtime


def level(value):
    return np.round((value + 1) * 127.5)


def test_the_residual_is_shown_in_the_face_box_and_never_carried_on():
    keypoints = dance(9)
    boxes, valid = face_boxes(keypoints)
    assert valid.all()
    residual = torch.full((1, 3, 32, 32), -0.5)
    for index, frame in enumerate(render_poses(renderer(brighter(), Flat(-0.5)), keypoints)):
        x0, y0, x1, y1 = boxes[index].tolist()
        main = torch.full((1, 3, *SIZE), 0.1 * (index + 1))
        added = add_residuals(main, residual, torch.from_numpy(boxes[index : index + 1]))
        weight = torch.zeros(SIZE)
        weight[y0:y1, x0:x1] = torch.from_numpy(face_box_weight((y1 - y0, x1 - x0)))
        expected = (main + weight * (added - main))[0].permute(1, 2, 0).numpy()
        assert np.abs(frame - (expected + 1) * 127.5).max() < 0.51
        middle = float(frame[(y0 + y1) // 2, (x0 + x1) // 2, 0])
        assert middle == pytest.approx(level(0.1 * (index + 1) - 0.5), abs=1)


def test_the_corrected_frame_is_carried_on_where_the_face_generator_was_trained_so():
    """The main generator adds 0.1 everywhere, the face generator -0.02 more inside the box."""
    keypoints = dance(6)
    rendered = renderer(brighter(), Flat(-0.02), previous_frame="corrected")
    boxes, _ = face_boxes(keypoints)
    sums = np.zeros(SIZE)  # of the residuals, of all frames before
    for index, frame in enumerate(render_poses(rendered, keypoints)):
        x0, y0, x1, y1 = boxes[index]
        off = np.abs(frame[..., 0] - level(0.1 * (index + 1) + sums))
        off[y0:y1, x0:x1] = 0
        assert off.max() < 0.51
        sums[y0:y1, x0:x1] -= 0.02
        y, x = (y0 + y1) // 2, (x0 + x1) // 2  # where the face is not feathered
        assert frame[y, x, 0] == pytest.approx(level(0.1 * (index + 1) + sums[y, x]), abs=0.51)
    assert sums.min() == pytest.approx(-0.12)  # some pixels were in the face box of all frames


def test_the_face_generator_gets_the_inputs_of_its_training():
    """The pose drawn for the box, and the main generator's picture cut out."""
    keypoints, face = dance(10), Flat(0.1)  # more than are drawn at once
    for _ in render_poses(renderer(brighter(), face), keypoints):
        assert not torch.is_inference_mode_enabled()
    boxes = torch.from_numpy(face_boxes(keypoints)[0])
    drawer = PoseDrawer(skeleton=HOLISTIC, style=STYLE)
    poses = drawer.draw_crops(
        torch.from_numpy(keypoints.points), torch.from_numpy(keypoints.score), boxes, crop_size=32
    )
    made = torch.cumsum(torch.full((10, 3, *SIZE), 0.1), dim=0)
    for index, (pose_crop, face_crop) in enumerate(face.shown):
        assert torch.equal(pose_crop[0], poses[index])
        crop = crop_boxes(made[index : index + 1], boxes[index : index + 1], crop_size=32)
        assert torch.allclose(face_crop, crop)
    assert len(face.shown) == 10


def test_where_no_face_is_to_be_seen_nothing_is_added():
    face = Flat(-5)
    frames = list(render_poses(renderer(brighter(), face), faceless(dance(19), slice(6, 17))))
    assert len(face.shown) == 8
    shown = [len(np.unique(frame)) > 1 for frame in frames]
    assert shown == [*[True] * 6, *[False] * 11, True, True]


def test_poses_for_images_of_another_size_are_refused():
    with pytest.raises(KeypointsError, match=r"images of \(48, 40\) .*, got \(40, 48\); normalize"):
        next(render_poses(renderer(brighter()), dance(3, size=(40, 48))))


@pytest.fixture
def models(tmp_path):
    write_models(tmp_path)
    return tmp_path


def test_only_needed_weights_are_required(models):
    (models / "face_generator.safetensors").unlink()
    assert module.load_renderer(models, runtime(), face="none").face is None
    with pytest.raises(MissingFileError, match=r"face_generator\.safetensors"):
        module.load_renderer(models, runtime(), face="residual")


DOUBLE, ODD = (2 * SIZE[0], 2 * SIZE[1]), (2 * SIZE[0] + 1, 2 * SIZE[1])


@cache
def appearance(full):
    return puppet_of(dance(3, size=full), [0]).appearance


def drawn(full):
    """Networks of a drawn target whose video has the `full` size, before a room with shadows."""
    generator = DrawnGenerator(torch.zeros(3, *SIZE), Uniform(0.2, 0.2, 0.2))
    generator.puppet = Puppet(appearance(full), SIZE)
    return renderer(generator)


def test_no_thread_is_left_of_a_render_that_fails_or_is_given_up():
    made, before = drawn(DOUBLE), set(threading.enumerate())
    frames = render_poses(made, dance(12), size=DOUBLE)
    next(frames)
    assert set(threading.enumerate()) > before
    del frames
    assert set(threading.enumerate()) == before
    fails = Mock(side_effect=RuntimeError("planted"))
    with (
        patch.object(DrawnGenerator, "scene", fails),
        pytest.raises(RuntimeError, match="planted") as caught,
    ):
        list(render_poses(made, dance(3)))
    assert caught.tb is not None  # it still holds what the failure interrupted
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("size", [None, SIZE, DOUBLE])
def test_a_drawn_target_is_the_puppet_over_the_room_with_its_shadows(size):
    made, keypoints = drawn(DOUBLE), dance(9)
    frames = list(render_poses(made, keypoints, size=size))
    clip, shown = made.networks.puppet.follow(keypoints), size or SIZE
    background = clip.puppet.appearance.background
    shadows = round(1.2 * 127.5) - resize(background, SIZE).astype(np.int16)
    lit = resize(background, shown) + cv2.resize(shadows, shown[::-1])
    expected = [draw_puppet(clip, i, SIZE, lit.clip(0, 255).astype(np.uint8)) for i in range(9)]
    assert np.array_equal(frames, np.array(expected)[..., :3])


def test_results_have_the_size_of_the_targets_video_or_less():
    made = drawn(ODD)
    assert result_size(made, height=None) == result_size(made, height=ODD[0]) == ODD
    assert result_size(made, height=72) == (72, 60)  # of 97 x 80: 59.4, to an even width
    assert result_size(made, height=SIZE[0]) == SIZE
    assert result_size(renderer(brighter()), height=None) == SIZE


@pytest.mark.parametrize("height", [SIZE[0] - 1, ODD[0] + 1])
def test_a_size_that_the_texture_has_not_is_refused(height):
    text = rf"render\.height: expected null or {SIZE[0]} to {ODD[0]}, .*, got {height}"
    with pytest.raises(ParamsError, match=text):
        result_size(drawn(ODD), height=height)


class Half(FrameGenerator):
    """Says that half of each pixel is the person, who gets brighter, before a grey room."""

    def forward(self, pose_map, previous_frame, background=None):
        frame = previous_frame + 0.1
        return Generated(frame, torch.full_like(frame[:, :1], 0.5))

    def scene(self, coarse_poses):
        return torch.zeros(1, 3, *SIZE)


@pytest.mark.parametrize("viewport", [None, VIEWPORT])
def test_masks_are_those_of_the_frames_and_nobody_is_outside_the_viewport(viewport):
    keypoints, made = dance(9), renderer(Half(Convolution(), viewport=viewport))
    masked = np.array([*render_masked(made, keypoints)])
    assert np.array_equal(masked[..., :3], [*render_poses(made, keypoints)])
    boxes = [(0, 0, *SIZE[::-1])] * 9
    if viewport is not None:
        follower = ViewportFollower(viewport, image_size=SIZE)
        boxes = follower.place(keypoints.points, keypoints.score)
    for mask, (x0, y0, x1, y1) in zip(masked[..., 3], boxes, strict=True):
        expected = np.zeros(SIZE, np.uint8)
        expected[y0:y1, x0:x1] = 128
        assert np.array_equal(mask, expected)
