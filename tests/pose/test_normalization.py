"""Normalisation puts the source's poses where the target would stand, and keeps what is motion."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.errors import StatisticsError
from motiontransfer.pose.normalization import normalize_by_ankles
from motiontransfer.pose.statistics import PoseStatistics, fit_statistics
from tests.pose.stick_person import stick_person


def statistics(far, close, *, heights=(30.0, 45.0), x=32.0, image_size=(100, 64)):
    return PoseStatistics(
        closest_ankle_y_px=float(close),
        farthest_ankle_y_px=float(far),
        height_at_closest_px=float(heights[1]),
        height_at_farthest_px=float(heights[0]),
        median_ankle_x_px=float(x),
        image_size=image_size,
        min_score=0.5,
        frames_used=10,
        frames_left_out=0,
        proportions={},
        median_pose_px={},
    )


def ankle(keypoints):
    """Left and right ankle lie at the same y."""
    return keypoints.joint("left_ankle")[0][:, 1]


def nose(keypoints):
    return keypoints.joint("nose")[0]


def height(keypoints):
    return ankle(keypoints) - nose(keypoints)[:, 1]


def fitted(person, cluster_fraction=None):
    return fit_statistics(
        [person], min_score=0.5, cluster_fraction=cluster_fraction, outlier_quantile=0.98
    )


walks = st.lists(
    st.tuples(st.floats(60, 100), st.floats(20, 50), st.floats(10, 54)), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=60)
@given(walks, st.sampled_from([None, 0.7]))
def test_a_subject_normalised_to_themselves_does_not_move(walk, cluster_fraction):
    person = stick_person(*map(np.array, zip(*[(y, h) for y, h, _ in walk], strict=True)))
    same = fitted(person, cluster_fraction)
    moved = normalize_by_ankles(person, source=same, target=same)
    np.testing.assert_allclose(moved.points, person.points, atol=1e-3)
    np.testing.assert_array_equal(moved.score, person.score)


@settings(deadline=None, max_examples=60)
@given(
    walks,
    st.floats(0.25, 4),
    st.floats(-200, 200),
    st.floats(-200, 200),
    st.sampled_from([None, 0.7]),
)
def test_another_size_and_place_of_the_same_motion_is_undone(
    walk, scale, right, down, cluster_fraction
):
    y, tall, x = map(np.array, zip(*walk, strict=True))
    target = stick_person(y, tall, x=x)
    source = stick_person(
        y * scale + down, tall * scale, x=x * scale + right, image_size=(400, 300)
    )
    moved = normalize_by_ankles(
        source, source=fitted(source, cluster_fraction), target=fitted(target, cluster_fraction)
    )
    np.testing.assert_allclose(moved.points, target.points, atol=0.02)
    assert moved.image_size == target.image_size


@pytest.mark.parametrize(
    ("source_y", "target_y", "target_height"),
    [(60, 70, 20), (100, 90, 60), (80, 80, 40 * (20 / 30 + 60 / 50) / 2)],
)
def test_lines_go_to_lines_and_heights_to_heights(source_y, target_y, target_height):
    # The target's way, 20 px, is no longer than the source's at its size, so it is used whole.
    # Between the lines it is the ratio of the heights that is interpolated, as in the paper.
    source = statistics(60, 100, heights=(30, 50))
    target = statistics(70, 90, heights=(20, 60), x=10)
    source_height = np.interp(source_y, [60, 100], [30, 50])
    person = stick_person([source_y] * 30, source_height)
    moved = normalize_by_ankles(person, source=source, target=target)
    np.testing.assert_allclose(ankle(moved), target_y, rtol=1e-5)
    np.testing.assert_allclose(height(moved), target_height, rtol=1e-5)
    np.testing.assert_allclose(nose(moved)[:, 0], 10, atol=1e-4)


def test_a_short_way_stays_short_around_the_middle_of_the_targets():
    source = statistics(80, 84, heights=(40, 40))
    target = statistics(50, 90, heights=(60, 100))  # twice the size: 4 px become 8 of its 40
    ends = [
        normalize_by_ankles(stick_person([y] * 9, 40), source=source, target=target)
        for y in (80, 84)
    ]
    np.testing.assert_allclose([ankle(end)[0] for end in ends], [66, 74], rtol=1e-5)
    np.testing.assert_allclose([height(end)[0] for end in ends], [76, 84], rtol=1e-5)


def test_someone_who_never_moves_stands_in_the_middle_of_the_targets_range():
    source = statistics(80, 80, heights=(40, 40))
    moved = normalize_by_ankles(
        stick_person([80, 80.5, 79.5], 40),
        source=source,
        target=statistics(50, 90, heights=(60, 100)),
    )
    np.testing.assert_allclose(ankle(moved), [70, 71, 69], rtol=1e-5)
    np.testing.assert_allclose(height(moved), 80, rtol=1e-5)


def test_sideways_steps_are_scaled_and_centred():
    person = stick_person([80] * 3, 40, x=[20, 32, 40])
    moved = normalize_by_ankles(
        person,
        source=statistics(80, 80, heights=(40, 40), x=32),
        target=statistics(90, 90, heights=(20, 20), x=50),
    )
    np.testing.assert_allclose(nose(moved)[:, 0], [44, 50, 54], rtol=1e-5)


SOURCE = statistics(60, 100, heights=(30, 50))
TARGET = statistics(70, 95, heights=(30, 75))


def test_a_jump_goes_up_and_does_not_walk_away():
    ankles = np.full(50, 90.0)
    ankles[20:30] = 80  # 0.4 s at 25 frames a second
    moved = normalize_by_ankles(stick_person(ankles, 45), source=SOURCE, target=TARGET)
    assert np.ptp(height(moved)) < 1e-3
    scale = height(moved)[0] / 45
    assert scale != pytest.approx(1)
    np.testing.assert_allclose(ankle(moved)[0] - ankle(moved)[25], 10 * scale, rtol=1e-4)


def test_a_crouch_only_lowers_the_head():
    tall = np.full(50, 45.0)
    tall[10:40] = 25
    moved = normalize_by_ankles(stick_person([90.0] * 50, tall), source=SOURCE, target=TARGET)
    assert np.ptp(ankle(moved)) < 1e-3
    np.testing.assert_allclose(height(moved)[25] / height(moved)[0], 25 / 45, rtol=1e-4)


def test_a_walk_changes_size_without_jumps():
    walk = np.linspace(60, 100, 100)
    moved = normalize_by_ankles(stick_person(walk, 0.5 * walk), source=SOURCE, target=TARGET)
    steps = np.diff(height(moved))
    assert steps.min() > 0
    assert steps.max() < 3 * np.median(steps)


def test_frames_without_ankles_are_moved_like_their_neighbours():
    walk = np.linspace(70, 90, 40)
    gap = [(frame, "left_ankle") for frame in range(15, 25)]
    whole = normalize_by_ankles(stick_person(walk, 0.5 * walk), source=SOURCE, target=TARGET)
    holed = normalize_by_ankles(
        stick_person(walk, 0.5 * walk, missing=gap), source=SOURCE, target=TARGET
    )
    np.testing.assert_allclose(nose(holed), nose(whole), atol=0.01)
    hand = "left_hand_index_tip"
    np.testing.assert_allclose(holed.joint(hand)[0], whole.joint(hand)[0], atol=0.01)


def test_far_outside_the_range_the_size_stops_changing():
    heights = [
        height(normalize_by_ankles(stick_person([y] * 9, 20), source=SOURCE, target=TARGET))[0]
        for y in (64, 56, 50, 40)
    ]
    assert heights[0] > heights[1] + 0.1
    assert heights[2] == pytest.approx(heights[3])


def test_missing_joints_stay_missing_and_the_input_is_not_changed():
    person = stick_person([80.0] * 3, 40, missing=[(1, "nose"), (2, "left_ankle")])
    before = person.points.copy()
    moved = normalize_by_ankles(person, source=SOURCE, target=TARGET)
    assert not moved.points[moved.score == 0].any()
    np.testing.assert_array_equal(moved.score, person.score)
    np.testing.assert_array_equal(person.points, before)
    assert moved.points.dtype == np.float32


def test_a_clip_without_feet_is_told():
    person = stick_person([80.0, 80], 40, missing=[(0, "left_ankle"), (1, "right_ankle")])
    with pytest.raises(StatisticsError, match="none of 2 source frames shows both ankles"):
        normalize_by_ankles(person, source=SOURCE, target=TARGET)


def test_statistics_of_another_image_size_are_told():
    person = stick_person(80, 40)
    other = replace(SOURCE, image_size=(512, 512))
    with pytest.raises(StatisticsError, match=r"images of \(512, 512\), its keypoints for \(100"):
        normalize_by_ankles(person, source=other, target=TARGET)
