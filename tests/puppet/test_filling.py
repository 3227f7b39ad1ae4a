"""A ball before the trousers is an occluder, which other references tell, and is filled."""

import cv2
import numpy as np
import pytest

from motiontransfer.puppet.filling import SmallCopy, occluder_mask, small_copy
from tests.people import NUMBER_OF, appearance_of, painted, posed

BALL = (142, 147)
"""x, y in the middle of the left thigh, for someone whose hips are at 128, 128."""


def thigh_colors(num_balls, *, radius_px=5, num_references=8):
    """Colors and coverage of the first reference's thigh in the middle of the ball."""
    frames = [painted(posed())[0] for _ in range(num_references)]
    for frame in frames[:num_balls]:
        cv2.circle(frame, BALL, radius_px, (255, 255, 255), -1)
    appearance = appearance_of(*[posed()] * num_references, frames=frames)
    patch = appearance.patches[0][NUMBER_OF["left_thigh"]]
    x, y = np.subtract(BALL, patch.corner)
    return patch.pixels[y - 2 : y + 3, x - 2 : x + 3].astype(int)


def test_a_ball_before_a_thigh_is_not_of_it():
    without, with_ball = thigh_colors(0), thigh_colors(1)
    assert (with_ball[..., 3] == 255).all()
    np.testing.assert_allclose(with_ball[..., :3], without[..., :3], atol=3)


def test_what_a_third_of_the_references_show_or_few_can_tell_stays():
    white = (255, 255, 255)
    assert (thigh_colors(4)[..., :3] == white).all()  # three of seven others
    assert (thigh_colors(1, num_references=5)[..., :3] == white).all()


def test_a_back_is_not_taken_for_a_front_that_lost_its_print():
    """Fifteen fronts with a print, five backs without, whose shoulders lie the other way round."""
    front, back = posed(), posed()
    back.points[..., 0] = 2 * 128 - back.points[..., 0]
    poses = [back] * 5 + [front] * 15
    frames = [painted(pose)[0] for pose in poses]
    x, y = 128, 103  # the middle of the trunk
    plain_back = frames[0][y, x].astype(int)
    for frame in frames[5:]:
        frame[y - 8 : y + 9, x - 6 : x + 7] = 255
    patch = appearance_of(*poses, frames=frames).patches[0][NUMBER_OF["torso"]]
    shown = patch.pixels[y - patch.corner[1], x - patch.corner[0]].astype(int)
    np.testing.assert_allclose(shown, [*plain_back, 255], atol=3)


def copy_of(colors):
    return small_copy(colors, np.full(colors.shape[:2], 255, np.uint8))


def plain(height=32, width=32, *, level=60):
    return np.full((height, width, 3), level, np.uint8)


def marked(side, *, at=8, level=255):
    colors = plain()
    colors[at : at + side, at : at + side] = level
    return colors


@pytest.mark.parametrize(
    ("colors", "share"),
    [
        (marked(6), (8 / 32) ** 2),  # with the pixels around, which it colors
        (marked(6, level=100), 0),  # too alike
        (marked(2), 0),  # an edge a pixel beside
        (marked(24, at=2), 0),  # more than half: another view
    ],
)
def test_a_blob_of_another_color_is_an_occluder(colors, share):
    found = occluder_mask(copy_of(colors), [(copy_of(plain()), np.eye(2, 3))] * 5)
    assert found.mean() == pytest.approx(share)


def test_other_references_are_mapped_to_the_part_in_their_own_size():
    """Twice as large they show the same mark; 12 px away they do not."""
    own = marked(6)
    large = cv2.resize(own, (64, 64), interpolation=cv2.INTER_NEAREST)
    moved = np.array([(0.5, 0, 0), (0, 0.5, 0)])
    assert not occluder_mask(copy_of(own), [(copy_of(large), moved)] * 5).any()
    assert occluder_mask(copy_of(own), [(copy_of(large), moved + np.array((0, 0, 12)))] * 5).any()


def test_references_that_do_not_show_the_place_do_not_count():
    """Five of six are covered elsewhere alone."""
    mark, hidden = copy_of(marked(6)), np.full((32, 32), 255, np.uint8)
    hidden[4:20, 4:20] = 0
    blind = (SmallCopy(plain(), hidden, 1.0), np.eye(2, 3))
    assert not occluder_mask(mark, [blind] * 5 + [(copy_of(plain()), np.eye(2, 3))] * 4).any()
    assert occluder_mask(mark, [blind] * 5 + [(copy_of(plain()), np.eye(2, 3))] * 5).any()


def test_an_arm_keeps_what_few_references_show():
    """It turns: an elbow, or a sleeve that slides."""
    frames = [painted(posed())[0] for _ in range(8)]
    x, y = (posed().joint("left_elbow")[0][0] + posed().joint("left_wrist")[0][0]).round() // 2
    cv2.circle(frames[0], (int(x), int(y)), 4, (255, 255, 255), -1)
    appearance = appearance_of(*[posed()] * 8, frames=frames)
    patch = appearance.patches[0][NUMBER_OF["left_forearm"]]
    shown = patch.pixels[int(y) - patch.corner[1], int(x) - patch.corner[0]]
    assert shown.tolist() == [255] * 4
