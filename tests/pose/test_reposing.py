"""Each mode moves poses by its own map, and says when it cannot."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.errors import ParamsError, StatisticsError
from motiontransfer.pose.normalization import fit_affine, normalize_by_ankles, normalize_poses
from motiontransfer.pose.statistics import fit_statistics
from tests.pose.stick_person import stick_person
from tests.pose.test_retargeting import PLACES, person

SHAPE = {"nose": (0.0, 0.0), "left_hip": (4.0, 9.0), "right_hip": (-3.0, 8.0), "left_ear": (2, -1)}


def normalized(clip, mode, *, source, target):
    centring = "median" if mode in ("limbs", "ankle") else None
    return normalize_poses(clip, mode=mode, centring=centring, source=source, target=target)


def fitted(*clips):
    return fit_statistics(clips, min_score=0.5, cluster_fraction=None, outlier_quantile=0.98)


def scaled(clip, scale, right, down, size):
    points = clip.points * np.float32(scale) + np.float32([right, down])
    found = clip.score[..., None] > 0
    return replace(clip, points=np.where(found, points, 0).astype(np.float32), image_size=size)


@pytest.fixture
def dancer():
    clip = person(frames=30)
    sway = 5 * np.sin(np.arange(30) / 4)[:, None, None] * np.array([1, 0])
    points = np.where(clip.score[..., None] > 0, clip.points + sway, 0)
    return replace(clip, points=points.astype(np.float32))


@pytest.mark.parametrize("mode", ["limbs", "ankle", "affine", "none"])
def test_a_subject_reposed_as_themselves_does_not_move(dancer, mode):
    same = fitted(dancer)
    moved = normalized(dancer, mode, source=same, target=same)
    np.testing.assert_allclose(moved.points, dancer.points, atol=1e-3)


@pytest.mark.parametrize("mode", ["limbs", "ankle", "affine"])
@settings(deadline=None, max_examples=20)
@given(scale=st.floats(0.4, 2.5), right=st.floats(-100, 100), down=st.floats(-100, 100))
def test_size_and_place_of_the_source_are_undone(mode, scale, right, down):
    target = person(frames=12)
    source = scaled(target, scale, right, down, (500, 500))
    moved = normalized(source, mode, source=fitted(source), target=fitted(target))
    np.testing.assert_allclose(moved.points, target.points, atol=0.05)
    assert moved.image_size == target.image_size


def test_limbs_takes_the_targets_proportions_where_ankle_keeps_the_sources(dancer):
    long_legs = {
        joint: (x, 160 + (y - 160) * (1.3 if y >= 100 else 1) - (18 if y < 100 else 0))
        for joint, (x, y) in PLACES.items()
    }
    target = fitted(person(long_legs, 30))
    results = {
        mode: normalized(dancer, mode, source=fitted(dancer), target=target)
        for mode in ("ankle", "limbs")
    }

    def leg_share(keypoints):
        y = {joint: keypoints.joint(joint)[0][0, 1] for joint in ("nose", "left_hip", "left_ankle")}
        return (y["left_ankle"] - y["left_hip"]) / (y["left_ankle"] - y["nose"])

    assert leg_share(results["ankle"]) == pytest.approx(60 / 114, abs=1e-3)
    assert leg_share(results["limbs"]) == pytest.approx(78 / 132, abs=0.02)
    for joint in ("left_ankle", "right_ankle"):
        np.testing.assert_allclose(
            results["limbs"].joint(joint)[0][:, 1],
            results["ankle"].joint(joint)[0][:, 1],
            atol=0.01,
        )


def test_centring_on_the_picture_keeps_the_place_in_the_picture():
    source = stick_person([80] * 5, 40, x=20, image_size=(100, 64))
    target = stick_person([80] * 5, 40, x=50, image_size=(100, 64))
    statistics = {"source": fitted(source), "target": fitted(target)}
    nose = {
        centring: normalize_poses(source, mode="ankle", centring=centring, **statistics)
        .joint("nose")[0][0, 0]
        .item()
        for centring in ("median", "picture")
    }
    assert nose == pytest.approx({"median": 50, "picture": 20}, abs=1e-3)


@pytest.mark.parametrize(
    ("mode", "centring"), [("affine", "median"), ("none", "picture"), ("limbs", None)]
)
def test_a_centring_without_effect_is_refused(dancer, mode, centring):
    same = fitted(dancer)
    with pytest.raises(ParamsError, match=rf"normalization\.centring: expected .* mode {mode}"):
        normalize_poses(dancer, mode=mode, centring=centring, source=same, target=same)


def test_poses_cannot_stay_as_they_are_in_an_image_of_another_size(dancer):
    target = replace(fitted(dancer), image_size=(64, 64))
    with pytest.raises(ParamsError, match=r"mode none: .*\(200, 200\) and \(64, 64\)"):
        normalized(dancer, "none", source=fitted(dancer), target=target)


def test_limbs_needs_limbs():
    sparse = stick_person([80] * 5, 40)
    with pytest.raises(StatisticsError, match=r"limbs.*set normalization\.mode to ankle"):
        normalized(sparse, "limbs", source=fitted(sparse), target=fitted(sparse))


@given(*[st.floats(-3, 3)] * 4, st.floats(-50, 50), st.floats(-50, 50))
def test_a_known_affine_map_is_found_again(a, b, c, d, right, down):
    known = np.array([[a, b, right], [c, d, down]])
    if np.linalg.det(known[:, :2]) <= 0.05:
        return
    target = {
        joint: tuple((known @ np.array([*place, 1.0])).tolist()) for joint, place in SHAPE.items()
    }
    np.testing.assert_allclose(fit_affine(SHAPE, target), known, atol=1e-6)


def test_a_mirror_image_is_refused():
    mirrored = {joint: (-x, y) for joint, (x, y) in SHAPE.items()}
    with pytest.raises(StatisticsError, match=r"mirror image.*set normalization.mode to ankle"):
        fit_affine(SHAPE, mirrored)


@pytest.mark.parametrize("joints", [(), ("nose", "left_hip")])
def test_too_few_joints_are_refused(joints):
    few = {joint: SHAPE[joint] for joint in joints}
    with pytest.raises(StatisticsError, match=f"3 joints .* got {len(joints)}"):
        fit_affine(few, SHAPE)


def test_joints_on_one_line_are_refused():
    line = {joint: (float(i), 2.0 * i) for i, joint in enumerate(SHAPE)}
    with pytest.raises(StatisticsError, match="not on one line"):
        fit_affine(line, SHAPE)


def test_ankle_is_the_papers_map(dancer):
    target = fitted(stick_person([80] * 30, 40, image_size=(100, 64)))
    source = fitted(dancer)
    moved = normalized(dancer, "ankle", source=source, target=target)
    expected = normalize_by_ankles(dancer, source=source, target=target)
    np.testing.assert_array_equal(moved.points, expected.points)
