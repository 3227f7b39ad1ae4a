from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.filling import _PartViews
from motiontransfer.puppet.sharpness import SHARP, relative_sharpness, sharpness
from tests.people import HEIGHT_PX, NUMBER_OF, PARTS, appearance_of, painted, posed

TEXTURE = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
COVERED = np.full((96, 96), 255, np.uint8)


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def test_more_blur_is_less_sharp():
    values = [sharpness(blurred(TEXTURE, s), COVERED, zoom=1.0) for s in (0.5, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.2 * values[0]


def test_a_person_twice_as_large_is_as_sharp():
    """Measured in one size, where the same edges are shown."""
    smooth = blurred(TEXTURE, 2)
    large = cv2.resize(smooth, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    twice = sharpness(large, np.full((192, 192), 255, np.uint8), zoom=0.5)
    assert twice == pytest.approx(sharpness(smooth, COVERED, zoom=1.0), rel=0.1)


def test_the_hull_alone_is_measured_and_what_is_hardly_covered_is_not_known():
    half = TEXTURE.copy()
    half[:, :48] = 90
    flat = np.float32([(4, 4), (40, 4), (40, 90), (4, 90)])
    assert sharpness(half, COVERED, flat, zoom=1.0) == 0
    assert sharpness(half, COVERED, flat + np.float32((50, 0)), zoom=1.0) > 10
    assert sharpness(TEXTURE, COVERED // 2, zoom=1.0) is None
    assert sharpness(TEXTURE, COVERED, flat - np.float32((200, 0)), zoom=1.0) is None


def test_a_face_is_as_sharp_as_in_the_direction_that_motion_blurred():
    """A grid of lines, of which a motion along the rows leaves those along the rows."""
    grid = np.full((96, 96, 3), 200, np.uint8)
    grid[::6] = grid[:, ::6] = 40
    moved, whole = cv2.blur(grid, (24, 1)), np.float32([(4, 4), (92, 4), (92, 92), (4, 92)])
    face, limb = (
        sharpness(moved, COVERED, hull, zoom=1.0) / sharpness(grid, COVERED, hull, zoom=1.0)
        for hull in (whole, None)
    )
    assert face < 0.05
    assert limb > 0.4


def test_a_face_is_as_sharp_with_hair_of_any_length():
    """Measured in a size that the face alone tells."""
    poses = BodyPoses(
        HOLISTIC, *(np.repeat(of, 3, axis=0) for of in (posed().points, posed().score))
    )
    colors = [blurred(TEXTURE, sigma) for sigma in (0.8, 1.2, 1.6)]
    found = []
    for below in (0, 200):
        heads = {
            number: CutPart(
                corner=(80, 10),
                colors=np.pad(image, ((0, below), (0, 0), (0, 0))),
                coverage=np.pad(COVERED, ((0, below), (0, 0)), constant_values=255),
                hidden=np.zeros((96 + below, 96), np.uint8),
            )
            for number, image in enumerate(colors)
        }
        views = _PartViews(
            part=PARTS[NUMBER_OF["head"]],
            poses=poses,
            scales=np.ones(3),
            height_px=HEIGHT_PX,
            cut=heads,
        )
        found.append(views.sharpness)
    assert found[0] == found[1]
    assert found[0][2] < found[0][1] < found[0][0]


def test_sharpness_is_relative_to_the_sharpest_of_similar_poses():
    """Open hands 0 to 24 have more edges than fists 25 to 49; of each, one is blurred."""
    measured = dict.fromkeys(range(25), 20.0) | dict.fromkeys(range(25, 50), 8.0)
    measured |= {0: 8.0, 49: 2.0}

    def similar(one):
        others = [other for other in range(50) if other != one]
        return sorted(others, key=lambda other: (other < 25) != (one < 25))

    relative = relative_sharpness(measured, similar)
    assert {one for one, value in relative.items() if value < SHARP} == {0, 49}
    assert (relative[0], relative[49]) == (pytest.approx(0.4), pytest.approx(0.25))
    few = relative_sharpness(measured, similar, least_share=0.9)
    assert {one for one, value in few.items() if value < SHARP} == {0, *range(25, 50)}


def test_what_is_not_known_is_not_blurred():
    assert relative_sharpness({0: None, 1: 5.0}, lambda one: [1 - one]) == {0: 1.0, 1: 1.0}


def test_a_blurred_reference_is_avoided_though_its_pose_is_the_nearest():
    """By half a percent of the height: the arms a pixel lower in the others."""
    frames = [painted(posed())[0] for _ in range(4)]
    frames[0] = blurred(frames[0], 2)
    lower = posed(left_elbow=(28, -24), right_elbow=(-28, -24))
    appearance = appearance_of(posed(), lower, lower, lower, frames=frames)
    chosen = Puppet(appearance).follow(posed()).chosen[0]
    for part in ("torso", "left_upper_arm", "right_thigh"):
        assert appearance.patches[0][NUMBER_OF[part]].sharpness < SHARP
        assert chosen[NUMBER_OF[part]] in (1, 2, 3)


def test_a_part_may_be_a_quarter_less_sharp_than_others():
    """A hand of .6 costs 1 - .6 / .75 of 2 % of the height."""
    appearance = appearance_of(posed(), posed())

    def added(sharpness):
        less = [patch and replace(patch, sharpness=sharpness) for patch in appearance.patches[0]]
        patches = [less, appearance.patches[1]]
        penalties = Puppet(replace(appearance, patches=patches)).references.penalties
        return penalties[0] - penalties[1]

    assert added(0.6)[NUMBER_OF["left_hand"]] == pytest.approx(0.2 * 2)
    assert not added(0.75).any()
