from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.core.errors import ParamsError, StatisticsError
from motiontransfer.core.params import SHIPPED_FILE, load_section
from motiontransfer.retargeting.normalization import (
    MODES,
    fit_affine,
    joint_differences,
    normalize_by_ankles,
    normalize_poses,
)
from motiontransfer.retargeting.params import NormalizationParams
from tests.people import ARMS_OUT, arms_out, fitted, known_to, scaled, stick_person

SOMEONE = replace(fitted(stick_person([80.0], 40)), proportions={}, median_pose_px={})


def statistics(far, close, *, heights=(30.0, 45.0), x=32.0):
    return replace(
        SOMEONE,
        farthest_ankle_y_px=float(far),
        closest_ankle_y_px=float(close),
        height_at_farthest_px=float(heights[0]),
        height_at_closest_px=float(heights[1]),
        median_ankle_x_px=float(x),
    )


def ankle(keypoints):
    """Left and right ankle lie at the same y."""
    return keypoints.joint("left_ankle")[0][:, 1]


def nose(keypoints):
    return keypoints.joint("nose")[0]


def height(keypoints):
    return ankle(keypoints) - nose(keypoints)[:, 1]


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


@pytest.mark.parametrize(
    ("lines", "person_y", "ankles", "heights"),
    [
        ((80, 84), [80, 84], [66, 74], [76, 84]),  # twice the size: 4 px become 8 of its 40
        ((80, 80), [80, 80.5, 79.5], [70, 71, 69], [80] * 3),  # never moves
    ],
)
def test_a_short_way_stays_short_around_the_middle_of_the_targets(lines, person_y, ankles, heights):
    source, target = statistics(*lines, heights=(40, 40)), statistics(50, 90, heights=(60, 100))
    people = [stick_person([y] * 9, 40) for y in person_y]
    ends = [normalize_by_ankles(it, source=source, target=target) for it in people]
    np.testing.assert_allclose([ankle(end)[0] for end in ends], ankles, rtol=1e-5)
    np.testing.assert_allclose([height(end)[0] for end in ends], heights, rtol=1e-5)


SOURCE = statistics(60, 100, heights=(30, 50))
TARGET = statistics(70, 95, heights=(30, 75))


def test_missing_joints_stay_missing_and_the_input_is_not_changed():
    person = stick_person([80.0] * 3, 40, missing=[(1, "nose"), (2, "left_ankle")])
    before = person.points.copy()
    moved = normalize_by_ankles(person, source=SOURCE, target=TARGET)
    assert not moved.points[moved.score == 0].any()
    np.testing.assert_array_equal(moved.score, person.score)
    np.testing.assert_array_equal(person.points, before)
    assert moved.points.dtype == np.float32


SHAPE = {"nose": (0.0, 0.0), "left_hip": (4.0, 9.0), "right_hip": (-3.0, 8.0), "left_ear": (2, -1)}


def normalized(clip, mode, *, source, target):
    centering = "median" if mode in ("body", "ankle") else None
    return normalize_poses(clip, mode=mode, centering=centering, source=source, target=target)


@pytest.fixture
def dancer():
    clip = arms_out(frames=30)
    sway = 5 * np.sin(np.arange(30) / 4)[:, None, None] * np.array([1, 0])
    points = np.where(clip.score[..., None] > 0, clip.points + sway, 0)
    return replace(clip, points=points.astype(np.float32))


@pytest.mark.parametrize("mode", MODES)
def test_a_subject_normalized_to_themselves_does_not_move(dancer, mode):
    same = fitted(dancer)
    moved = normalized(dancer, mode, source=same, target=same)
    np.testing.assert_allclose(moved.points, dancer.points, atol=1e-3)


@pytest.mark.parametrize("mode", ["body", "ankle", "affine"])
@settings(deadline=None, max_examples=6)
@given(scale=st.floats(0.4, 2.5), right=st.floats(0, 200), down=st.floats(0, 200))
def test_size_and_place_of_the_source_are_undone(mode, scale, right, down):
    target = arms_out(frames=12)
    source = scaled(target, scale, (right, down), (900, 900))  # in which all is in view
    moved = normalized(source, mode, source=fitted(source), target=fitted(target))
    np.testing.assert_allclose(moved.points, target.points, atol=0.05)
    assert moved.image_size == target.image_size


def test_centering_on_the_image_keeps_the_position_in_the_image():
    source = stick_person([80] * 5, 40, x=20, image_size=(100, 64))
    target = stick_person([80] * 5, 40, x=50, image_size=(100, 64))
    statistics = {"source": fitted(source), "target": fitted(target)}
    for centering, x in (("median", 50), ("image", 20)):
        moved = normalize_poses(source, mode="ankle", centering=centering, **statistics)
        assert nose(moved)[0, 0] == pytest.approx(x, abs=1e-3)


@pytest.mark.parametrize(
    ("mode", "is_refused"), [("affine", False), ("none", False), ("body", True)]
)
def test_where_a_floor_is_used_centering_is_needed(mode, is_refused):
    params = load_section(NormalizationParams, "normalization", path=SHIPPED_FILE)
    params = params.model_copy(update={"mode": mode, "centering": None})
    assert [*params.conflicts()] == is_refused * [
        "centering: expected median or image with mode body, got null"
    ]


@given(*[st.floats(-3, 3)] * 4, st.floats(-50, 50), st.floats(-50, 50))
def test_a_known_affine_map_is_found_again(a, b, c, d, right, down):
    known = np.array([[a, b, right], [c, d, down]])
    if a * d - b * c <= 0.05:
        return
    target = {it: tuple((known @ np.array([*at, 1.0])).tolist()) for it, at in SHAPE.items()}
    np.testing.assert_allclose(fit_affine(SHAPE, target), known, atol=1e-6)


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        (lambda number, x, y: (-x, y), "mirror"),
        (lambda number, x, y: (float(number), 2.0 * number), "one line"),
        (lambda number, x, y: (9.0 * number, 9.0 * number + number % 2 / 99), "one line"),
    ],
)
def test_a_degenerate_affine_map_is_refused(places, reason):
    source = {joint: places(number, *at) for number, (joint, at) in enumerate(SHAPE.items())}
    with pytest.raises(StatisticsError, match=reason):
        fit_affine(source, SHAPE)
    for known in ([], ["nose", "left_hip"]):
        with pytest.raises(StatisticsError, match=f"3 joints .* got {len(known)}"):
            fit_affine({joint: SHAPE[joint] for joint in known}, SHAPE)


SPARSE = stick_person([80.0, 80], 40)
HALF = replace(SOURCE, shows="waist")
FEETLESS = stick_person([80.0, 80], 40, missing=[(0, "left_ankle"), (1, "right_ankle")])
LARGE_SOURCE, SMALL_TARGET = (
    replace(it, image_size=(side, side)) for it, side in ((SOURCE, 512), (TARGET, 64))
)


@pytest.mark.parametrize(
    ("clip", "mode", "source", "target", "named"),
    [
        (SPARSE, "body", SOURCE, TARGET, r"normalization\.mode"),
        (SPARSE, "ankle", HALF, TARGET, r"shows waist and no more; set .*mode to body"),
        (FEETLESS, "ankle", SOURCE, TARGET, "ankles"),
        (SPARSE, "ankle", LARGE_SOURCE, TARGET, r"\(512, 512\), .*\(100, 64\)"),
        (SPARSE, "none", SOURCE, SMALL_TARGET, r"\(100, 64\) and \(64, 64\)"),
    ],
)
def test_poses_that_cannot_be_normalized_are_refused(clip, mode, source, target, named):
    with pytest.raises((StatisticsError, ParamsError), match=named):
        normalized(clip, mode, source=source, target=target)


BODY_ONLY = set(ARMS_OUT) - {"face_chin", "left_hand_index_tip", "left_index"}


@pytest.mark.parametrize("detectors", [("drawn", "other"), ("openpose_json",) * 2])
@pytest.mark.parametrize("mode", MODES)
def test_joints_that_the_targets_detector_does_not_know_are_left_out(dancer, mode, detectors):
    dancer = replace(dancer, detector=detectors[0])
    source = fitted(dancer)
    target = fitted(known_to(BODY_ONLY, dancer, detector=detectors[1]))
    moved = normalized(dancer, mode, source=source, target=target)
    shown = {joint for joint in moved.skeleton.joints if moved.joint(joint)[1].any()}
    assert shown == BODY_ONLY
    assert not moved.points[moved.score == 0].any()
    assert joint_differences(dancer, target) == (set(ARMS_OUT) - BODY_ONLY, set())
