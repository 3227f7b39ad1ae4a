import json
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.body.completion import complete
from motiontransfer.core.errors import MissingFileError, StatisticsError
from motiontransfer.core.storage import read_checked_json, write_checked_json
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.retargeting import statistics as module
from tests.people import arms_out, person, stick_person

PAPER = {"min_score": 0.5, "cluster_fraction": 0.7, "outlier_quantile": 1.0}
# Median 70, closest 100, so nothing above 70 - 0.7 * 30 = 49 counts: 60 is the farthest.
WALK = stick_person([40, 60, 70, 80, 100], [50, 30, 33, 35, 45], x=[10, 20, 30, 30, 50])


@pytest.mark.parametrize(("fraction", "farthest"), [(1.0, 40), (0.7, 60), (0.3, 70)])
def test_the_cluster_fraction_limits_the_farthest_line(fraction, farthest):
    statistics = module.fit_statistics([WALK], **PAPER | {"cluster_fraction": fraction})
    assert statistics.farthest_ankle_y_px == farthest


@pytest.mark.parametrize(
    ("ankles", "epsilon", "farthest"),
    [
        # Median 70, closest 100: as far above lies 40, and within 5 px of it 44, but not 46.
        ([40, 44, 46, 70, 71, 80, 100], 5, 44),
        ([40, 44, 46, 70, 71, 80, 100], 1, 40),
        ([55, 60, 70, 80, 100], 1, 55),  # none is as far: the nearest to it
        ([70, 70, 70, 80, 100], 1, 70),  # nobody went back
    ],
)
def test_the_preprints_farthest_line_is_as_far_from_the_median(ankles, epsilon, farthest):
    changes = {"cluster_fraction": None, "cluster_epsilon_px": float(epsilon)}
    statistics = module.fit_statistics([stick_person(ankles, 30)], **PAPER | changes)
    assert statistics.farthest_ankle_y_px == farthest


def test_lines_and_heights_of_a_walk():
    statistics = module.fit_statistics([WALK], **PAPER)
    found = (statistics.closest_ankle_y_px, statistics.farthest_ankle_y_px)
    found += (statistics.height_at_closest_px, statistics.height_at_farthest_px)
    assert (*found, statistics.median_ankle_x_px) == pytest.approx((100, 60, 45, 30, 30))
    assert statistics.image_size == (100, 64)
    assert (statistics.frames_used, statistics.frames_left_out) == (5, 0)


def test_heights_are_the_largest_near_the_line():
    # Of a median height of 41 px a frame counts as on a line within .82 px; 98.9 is too far off.
    person = stick_person([60, 60.8, 80, 80, 99.2, 98.9, 100], [30, 32, 44, 44, 41, 48, 40])
    statistics = module.fit_statistics([person], **{**PAPER, "cluster_fraction": 1.0})
    assert statistics.height_at_closest_px == pytest.approx(41)
    assert statistics.height_at_farthest_px == pytest.approx(32)


def test_unsure_ankles_count_where_no_frame_has_others():
    sure, unsure = stick_person([60, 80], [40, 40]), stick_person([90], [50], score=0.4)
    assert module.fit_statistics([sure, unsure], **PAPER).frames_used == 2
    statistics = module.fit_statistics([unsure], **PAPER)
    assert (statistics.frames_used, statistics.min_score) == (1, 0)
    assert statistics.height_at_closest_px == pytest.approx(50)


VISIT = [60.0] * 40 + [90.0] * 100  # the median is 90, and so is everything near it


@pytest.mark.parametrize(
    ("ankles", "quantile", "lines"),
    [
        (VISIT, 1.0, (60, 90)),
        ([90.0] * 40 + [70.0] * 10 + [90.0] * 40, 1.0, (90, 90)),
        ([60.0] * 30 + [80.0] * 440 + [100.0] * 30, 0.9, (80, 80)),
    ],
    ids=["a short visit far away counts", "a jump not", "nor the same share at both ends"],
)
def test_the_floor_line_includes(ankles, quantile, lines):
    person = stick_person(ankles, np.array(ankles) / 3)
    how = {"cluster_fraction": None, "outlier_quantile": quantile}
    statistics = module.fit_statistics([person], **{**PAPER, **how})
    assert (statistics.farthest_ankle_y_px, statistics.closest_ankle_y_px) == lines
    heights = [statistics.height_at_farthest_px, statistics.height_at_closest_px]
    assert heights == pytest.approx([line / 3 for line in lines])


def test_proportions_and_the_median_pose_are_fitted_and_kept(tmp_path):
    statistics = module.fit_statistics([arms_out(frames=30)], **PAPER)
    # nose to ankles 114 px; a thigh 30 px, a trunk 40 px
    assert statistics.proportions["thigh"] == pytest.approx(30 / 114, rel=1e-3)
    assert statistics.proportions["trunk"] == pytest.approx(40 / 114, rel=1e-3)
    assert statistics.median_pose_px["left_knee"] == (110, 130)
    assert "left_eye" not in statistics.median_pose_px
    assert "face_chin" not in statistics.median_pose_px
    module.write_statistics(tmp_path / "ada.json", statistics)
    assert module.read_statistics(tmp_path / "ada.json") == statistics
    content = json.loads((tmp_path / "ada.json").read_text())
    assert (content["image_height_px"], content["image_width_px"]) == (200, 200)
    assert content["schema_version"] == 6


HIDDEN = stick_person([60, 80], 40, missing=[(0, "left_ankle"), (1, "right_ankle")])
SMALL = stick_person(5, 3, image_size=(10, 10))


@pytest.mark.parametrize(
    ("clips", "named"),
    [([HIDDEN], "2 frames"), ([WALK, SMALL], r"\(10, 10\), \(100, 64\)"), ([], "no clips")],
)
def test_clips_without_statistics_are_refused(clips, named):
    with pytest.raises(StatisticsError, match=named):
        module.fit_statistics(clips, **PAPER)


@pytest.mark.parametrize(
    ("name", "number", "named"),
    [("median_ankle_x_px", math.nan, "finite"), ("height_at_closest_px", 0.0, "heights above 0")],
)
def test_numbers_that_cannot_be_are_refused(name, number, named):
    with pytest.raises(StatisticsError, match=named):
        replace(module.fit_statistics([WALK], **PAPER), **{name: number})


def test_files_of_another_version_and_missing_ones_are_refused(tmp_path):
    path = tmp_path / "ada.json"
    module.write_statistics(path, module.fit_statistics([WALK], **PAPER))
    write_checked_json(path, read_checked_json(path) | {"schema_version": 9})
    with pytest.raises(StatisticsError, match=r"ada\.json: .*schema version 6, got 9"):
        module.read_statistics(path)
    with pytest.raises(MissingFileError, match=r"eve\.json: no such statistics file"):
        module.read_statistics(tmp_path / "eve.json")


@pytest.mark.parametrize(
    ("lifted", "height"),
    [(4, 48), (5.1, np.hypot(3, 50))],  # by a tenth of the height a foot is not on the floor
)
def test_the_line_is_the_lower_ankle_and_the_height_ends_between_those_on_the_floor(lifted, height):
    clip = stick_person(80, 50)
    clip.points[:, HOLISTIC.index("left_ankle"), 1] -= np.float32(lifted)
    contact = module.measure_ground_contact(clip, min_score=0.5)
    assert contact.ankle_y_px[0] == 80
    assert contact.height_px[0] == pytest.approx(height)


@pytest.mark.parametrize(
    ("missing", "height"),
    [
        (["nose"], 50),  # the ears lie level with the nose
        (["nose", "left_ear"], 51.5),
        (["nose", "right_ear", "right_eye"], None),
    ],
)
def test_ears_then_eyes_stand_in_for_the_nose(missing, height):
    person = stick_person(80, 50, missing=[(0, joint) for joint in missing])
    contact = module.measure_ground_contact(person, min_score=0.5)
    assert contact.has_ankles[0]
    assert contact.has_height[0] == (height is not None)
    assert contact.height_px[0] == pytest.approx(height or 0)


def test_scores_below_the_threshold_count_as_missing():
    person = stick_person(80, 50, score=0.5)
    assert module.measure_ground_contact(person, min_score=0.5).has_ankles[0]
    assert not module.measure_ground_contact(person, min_score=0.51).has_ankles[0]
    absent = stick_person(80, 50, missing=[(0, "left_ankle")])
    assert not module.measure_ground_contact(absent, min_score=0.0).has_ankles[0]


def floor(ankles, **more):
    contact = module.measure_ground_contact(stick_person(ankles, 30, **more), min_score=0.5)
    return module.floor_line(contact, frame_rate=Fraction(25))


def test_the_floor_stays_in_a_jump_and_in_a_gap_and_follows_a_walk_without_delay():
    ankles, walk = np.full(60, 90.0), np.linspace(60, 100, 101)
    ankles[20:30] = 70
    gap = [(frame, "right_ankle") for frame in range(40, 50)]
    np.testing.assert_allclose(floor(ankles, missing=gap), 90)
    np.testing.assert_allclose(floor(walk)[20:-20], walk[20:-20], atol=1e-4)


def proportions(*clips, height=100.0):
    heights = [np.full(clip.num_frames, float(height)) for clip in clips]
    return module.fit_proportions(clips, heights)


def test_lengths_are_shares_of_the_height():
    found = proportions(arms_out(frames=20))
    expected = {"hips": 0.2, "trunk": 0.4, "shoulders": 0.3, "neck": 0.16, "upper_arm": 0.2}
    expected |= {"forearm": 0.2, "thigh": 0.3, "shin": 0.3, "foot": np.hypot(8, 4) / 100}
    assert found == pytest.approx(expected)
    assert not {"head", "face_height"} & found.keys()  # no eyes, mouth, forehead
    assert proportions(arms_out(frames=20), height=50)["thigh"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("joint", "axis", "value", "frames", "part", "length"),
    [
        ("left_elbow", 0, 118, 70, "upper_arm", 0.2),  # 3 px instead of 20: towards the camera
        ("left_knee", 1, 190, 10, "thigh", 0.3),  # a few wild frames
        ("left_knee", 1, 105, 100, "thigh", 0.3),  # 5 px instead of 30: it is always lifted
        ("left_knee", 1, 125, 100, "thigh", 0.275),  # 25 px: sides differ
    ],
)
def test_a_limb_keeps_its_length(joint, axis, value, frames, part, length):
    clip = arms_out(frames=100)
    clip.points[:frames, HOLISTIC.index(joint), axis] = value
    assert proportions(clip)[part] == pytest.approx(length)


def test_a_film_from_the_waist_up_has_the_statistics_of_a_body_that_stands_below(tmp_path):
    """Hips 128 px down, a trunk of 50 px: ankles about 1.6 * 50 px lower, in a film of 150 rows."""
    half = replace(person([(128.0, 128.0)] * 30), image_size=(150, 256))
    half = complete(half.without(half.points[..., 1] >= 150))
    statistics = module.fit_statistics([half], **{**PAPER, "cluster_fraction": None})
    assert statistics.shows == "waist"
    assert statistics.closest_ankle_y_px == pytest.approx(128 + 1.6 * 50, abs=10)
    thigh = statistics.proportions["thigh"] / statistics.proportions["trunk"]
    assert thigh == pytest.approx(0.84, abs=0.1)
    assert not statistics.leg_shape
    assert "left_ankle" not in statistics.median_pose_px
    module.write_statistics(tmp_path / "half.json", statistics)
    assert module.read_statistics(tmp_path / "half.json") == statistics
    module.write_statistics(tmp_path / "whole.json", module.fit_statistics([WALK], **PAPER))
    assert "shows" not in (tmp_path / "whole.json").read_text()


def test_who_lies_is_where_the_trunk_is_on_the_floor_below_the_lowest_joint():
    """A standing person turned by 90 degrees around the hips, at (128, 128)."""
    stands = person([(128.0, 128.0)] * 5)
    x, y = np.moveaxis(stands.points, 2, 0)
    lying = replace(stands, points=np.stack([256 - y, x], axis=2))
    contact, upright = (module.measure_ground_contact(it, min_score=0.5) for it in (lying, stands))
    assert contact.ankle_x_px == pytest.approx(128)
    body = lying.points[0, lying.skeleton.slice("body"), 1]
    assert contact.ankle_y_px == pytest.approx(body.max())
    assert contact.height_px == pytest.approx(upright.height_px, rel=0.01)
    assert upright.ankle_y_px == pytest.approx(198)
