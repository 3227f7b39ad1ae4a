"""Frames are cut into body parts: each pixel of the person, and no shadow, belongs to its part."""

import numpy as np
import pytest

from motiontransfer.pose.appearance import difference, is_shadow, pack_appearance, unpack_appearance
from motiontransfer.skeleton import HOLISTIC
from tests.pose.doll import NUMBER_OF, appearance_of, painted, posed, room
from tests.pose.whole_person import SIZE, lost

WRIST = HOLISTIC.index("left_wrist")
BEHIND = {"left_wrist": (5, -30), "left_elbow": (38, -20)}
"""The left forearm before the trunk."""


@pytest.fixture(scope="module")
def standing():
    return appearance_of(posed())


@pytest.fixture(scope="module")
def crossed():
    return appearance_of(posed(**BEHIND))


def coverage_of(appearance, part, *, reference=0):
    """Coverage of a part where it was cut out of its frame, 0 to 1."""
    coverage = np.zeros(SIZE)
    patch = appearance.patches[reference][NUMBER_OF[part]]
    if patch is not None:
        (x, y), (height, width) = patch.corner, patch.pixels.shape[:2]
        coverage[y : y + height, x : x + width] = patch.pixels[..., 3] / 255
    return coverage


def test_a_patch_is_what_the_frame_shows(standing):
    frame, _ = painted(posed())
    for patch in standing.patches[0]:
        (x, y), (height, width) = patch.corner, patch.pixels.shape[:2]
        assert (patch.pixels[..., :3] == frame[y : y + height, x : x + width]).all()
        edges = (patch.pixels[..., 3][edge] for edge in np.s_[[0], [-1], :, 0][:2])
        assert all(edge.any() for edge in edges)  # no larger than the part


@pytest.mark.parametrize("thickness", [0.8, 1.2])
def test_all_of_the_person_and_little_else_is_covered(thickness):
    appearance = appearance_of(posed(), thickness=thickness)
    _, masks = painted(posed(), thickness=thickness)
    person = np.any(list(masks.values()), axis=0)
    covered = np.max([coverage_of(appearance, name) for name in NUMBER_OF], axis=0)
    assert covered[person].mean() > 0.94
    assert covered[~person].sum() < 0.06 * person.sum()


def test_each_part_is_covered_where_it_is_painted(standing):
    _, masks = painted(posed())
    for name, mask in masks.items():
        coverage = coverage_of(standing, name)
        assert coverage[mask].mean() > 0.75, name
        far = np.hypot(*(np.indices(SIZE) - np.argwhere(mask).mean(axis=0)[:, None, None])) > 60
        assert not coverage[far].any(), name


def test_what_a_nearer_part_hides_is_not_covered(crossed):
    _, masks = painted(posed(**BEHIND))
    hidden = masks["left_forearm"]
    shown = coverage_of(crossed, "left_forearm")
    trunk = coverage_of(crossed, "torso")
    elbow, wrist = (posed(**BEHIND).joint(f"left_{it}")[0][0] for it in ("elbow", "wrist"))
    x, y = ((elbow + wrist) / 2).round().astype(int)
    assert hidden[y, x]
    assert shown[y, x] == 1
    assert trunk[y, x] == 0
    assert trunk[masks["torso"]].mean() > 0.8
    assert shown[hidden].mean() > 0.85


@pytest.mark.parametrize(
    ("joint", "meeting"),
    [
        ("left_elbow", ("left_upper_arm", "left_forearm")),
        ("right_knee", ("right_thigh", "right_shin")),
        ("left_wrist", ("left_forearm", "left_hand")),
    ],
)
def test_parts_that_meet_overlap_at_the_joint(standing, joint, meeting):
    x, y = posed().joint(joint)[0][0].round().astype(int)
    for name in meeting:
        assert coverage_of(standing, name)[y, x] > 0.5, name


def test_nothing_is_cut_where_joints_are_missing():
    keypoints = lost(posed(), "left_wrist", [0])
    appearance = appearance_of(keypoints)
    names = [name for name, number in NUMBER_OF.items() if appearance.patches[0][number] is None]
    assert names == ["left_forearm"]
    assert not coverage_of(appearance_of(lost(keypoints, "left_hand", [0])), "left_hand").any()


def test_a_shadow_is_the_room_darkened_and_not_something_coloured():
    background = room().astype(np.float32) + 30
    for factor, expected in ((0.6, 1), (0.8, 1), (0.05, 0), (1.3, 0)):
        darkened = (factor * background).round().astype(np.uint8)
        assert is_shadow(darkened, background.astype(np.uint8)).mean() == expected
    coloured = (background * (0.9, 0.5, 0.7)).astype(np.uint8)
    assert not is_shadow(coloured, background.astype(np.uint8)).any()


def test_the_difference_is_that_of_the_channel_that_differs_most():
    grey = np.full((9, 9, 3), 100, np.uint8)
    assert not difference(grey, grey + np.uint8(5)).any()
    assert (difference(grey, grey + np.uint8((0, 0, 90))) == 1).all()
    assert (difference(grey + np.uint8((90, 0, 0)), grey) == 1).all()


def test_a_shadow_beside_a_foot_is_not_the_person_and_an_object_is():
    """A patch of floor beside the left shin, darkened or red."""
    keypoints = posed()
    beside = np.s_[166:190, 150:154]
    sums = []
    for change in (1, 0.6, (2.5, 0.5, 0.5)):
        changed = room().astype(float)
        changed[beside] *= change
        frame, _ = painted(keypoints, background=changed.astype(np.uint8))
        appearance = appearance_of(keypoints, frames=[frame])
        sums.append(coverage_of(appearance, "left_shin")[beside].sum())
    assert sums[1] <= sums[0] + 1
    assert sums[2] > sums[0] + 20


def test_a_person_partly_or_wholly_beyond_the_frame_is_cut_at_its_edge():
    for shift, joints in ((-120, slice(None)), (1e6, slice(None)), (1e12, [WRIST])):
        keypoints = posed()
        keypoints.points[0, joints, 0] += np.float32(shift)
        for patch in appearance_of(keypoints, frames=[room()]).patches[0]:
            if patch is not None:
                (x, y), (height, width) = patch.corner, patch.pixels.shape[:2]
                assert 0 <= x <= x + width <= SIZE[1]
                assert 0 <= y <= y + height <= SIZE[0]


def test_an_appearance_is_packed_and_unpacked(crossed):
    both = appearance_of(posed(), lost(posed(**BEHIND), "left_hand", [0]))
    for appearance in (crossed, both):
        back = unpack_appearance(*pack_appearance(appearance))
        assert back.skeleton == appearance.skeleton
        assert back.height_px == appearance.height_px
        for name in ("points", "score", "frames", "full_lengths", "background"):
            assert np.array_equal(getattr(back, name), getattr(appearance, name)), name
        for before, after in zip(appearance.patches, back.patches, strict=True):
            for one, other in zip(before, after, strict=True):
                assert (one is None) == (other is None)
                assert one is None or one.corner == other.corner
                assert one is None or np.array_equal(one.pixels, other.pixels)
    assert both.frames.tolist() == [[0, 0], [1, 0]]
