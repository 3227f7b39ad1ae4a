import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from motiontransfer.pose import cleaning
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.skeleton import HOLISTIC, mirrored
from tests.people import HEIGHT_PX, joints_of, lost, moved, person, standing


def gone(before, after):
    """{(frame_index, joint)} that are missing now and were not."""
    removed = np.argwhere((before.score > 0) & (after.score == 0))
    return {(frame, HOLISTIC.joints[joint]) for frame, joint in removed.tolist()}


@pytest.mark.parametrize(("length", "away"), [(1, 0.12), (2, 0.2), (3, 0.35)])
def test_a_jump_and_return_is_removed_and_nothing_else(length, away):
    shift = (0.0, -away * HEIGHT_PX)
    keypoints = moved(standing(12), "left_knee", dict.fromkeys(range(5, 5 + length), shift))
    cleaned = cleaning.remove_outliers(keypoints, longest_frames=3)
    assert gone(keypoints, cleaned) == {(frame, "left_knee") for frame in range(5, 5 + length)}


@pytest.mark.parametrize(
    ("stop", "longest", "frame_rate"),
    [(8, 2, 25), (8, 0, 25), (12, 3, 25), (6, 1, 5)],
    ids=["longer than asked", "nothing asked", "jumps and stays", "too slow a frame rate"],
)
def test_a_jump_that_may_be_real_stays(stop, longest, frame_rate):
    shifts = dict.fromkeys(range(5, stop), (0, -60))
    keypoints = moved(standing(12, frame_rate=frame_rate), "left_knee", shifts)
    assert gone(keypoints, cleaning.remove_outliers(keypoints, longest_frames=longest)) == set()


@given(
    amplitude=st.floats(0, 80),
    period=st.floats(5, 40),
    phase=st.floats(0, 6.3),
    still=st.booleans(),
)
def test_fast_motion_is_kept(amplitude, period, phase, still):
    """A hand that swings by up to its own arm's length, five times a second, and may stop."""
    frames = np.arange(40)
    swing = amplitude * np.sin(2 * np.pi * frames / period + phase)
    if still:
        swing[:20] = swing[20]
    keypoints = moved(standing(40), "left_wrist", {f: (swing[f], 0) for f in range(40)})
    if still and period < 12:  # out of rest in no time: not what a body does
        return
    assert gone(keypoints, cleaning.remove_outliers(keypoints, longest_frames=3)) == set()


def test_hands_are_outliers_as_a_whole():
    keypoints = moved(standing(9), "left_hand", {4: (0, -40)})
    cleaned = cleaning.remove_outliers(keypoints, longest_frames=1)
    assert gone(keypoints, cleaned) == {(4, joint) for joint in dict(HOLISTIC.groups)["left_hand"]}
    one_finger = moved(standing(9), "left_hand_thumb_tip", {4: (0, -40)})
    assert gone(one_finger, cleaning.remove_outliers(one_finger, longest_frames=1)) == set()


def test_a_jump_next_to_a_gap_is_an_outlier():
    in_the_corner = person([(0.0, 72.0)] * 9)  # where (0, 0), of a missing joint, is on the path
    keypoints = lost(moved(in_the_corner, "nose", {4: (0, -60)}), "nose", [5])
    assert gone(keypoints, cleaning.remove_outliers(keypoints, longest_frames=2)) == {(4, "nose")}


@pytest.mark.parametrize(
    ("away", "wrist_lost", "removed"), [(0.14, [], []), (0.16, [], [2]), (0.16, [2], [])]
)
def test_a_hand_far_from_its_wrist_is_removed(away, wrist_lost, removed):
    keypoints = moved(standing(4), "right_hand", {2: (0, -away * HEIGHT_PX)})
    keypoints = lost(keypoints, "right_wrist", wrist_lost)
    hand = dict(HOLISTIC.groups)["right_hand"]
    expected = {(frame, joint) for frame in removed for joint in hand}
    assert gone(keypoints, cleaning.remove_stray_hands(keypoints)) == expected


WALK = [(80 + 2.0 * frame, 128 + 4 * np.sin(frame / 3)) for frame in range(40)]
BODY = tuple(joint for joint in HOLISTIC.joints[:33] if joint.startswith("left_"))
HAND = dict(HOLISTIC.groups)["left_hand"]
ARMS = ("left_elbow", "left_wrist", "left_pinky", "left_index", "left_thumb", *HAND)
LEGS = ("left_knee", "left_ankle", "left_heel", "left_foot_index")
EVERYTHING = (*BODY, *HAND)


def frames_from(start, stop, num_frames=40):
    return (np.arange(num_frames) >= start) & (np.arange(num_frames) < stop)


def wide_steps(keypoints):
    """Legs apart: those that touch could as well be the other one."""
    for joint in LEGS:
        keypoints = moved(
            moved(keypoints, joint, dict.fromkeys(range(keypoints.num_frames), (15, 0))),
            mirrored(joint),
            dict.fromkeys(range(keypoints.num_frames), (-15, 0)),
        )
    return keypoints


@pytest.mark.parametrize(
    ("joints", "repaired"), [(EVERYTHING, True), (LEGS, False), (ARMS, False)], ids=str
)
@pytest.mark.parametrize(
    ("start", "stop"), [(10, 11), (10, 13), (5, 22), (0, 6), (33, 40)], ids=str
)
def test_a_swap_is_put_back_but_no_limbs_without_their_trunk(joints, repaired, start, stop):
    truth = wide_steps(person(WALK))
    swapped = cleaning.swap_sides(truth, frames_from(start, stop), joints=joints)
    assert (swapped.points != truth.points).any()
    expected = truth if repaired else swapped
    np.testing.assert_array_equal(cleaning.repair_side_swaps(swapped).points, expected.points)


@pytest.mark.parametrize("turns_per_second", [0.2, 0.5, 1.0, 2.0, -2.0])
@pytest.mark.parametrize("phase", [0.0, 0.1, 0.2])
def test_a_turn_round_is_real(turns_per_second, phase):
    keypoints = standing(60)
    turned = np.cos(2 * np.pi * (np.arange(60) / 25 * turns_per_second + phase))
    keypoints.points[..., 0] = 128 + (keypoints.points[..., 0] - 128) * turned[:, None]
    np.testing.assert_array_equal(cleaning.repair_side_swaps(keypoints).points, keypoints.points)


@pytest.mark.parametrize(("half_width", "repaired"), [(5.5, False), (6.8, True)])
def test_sides_change_from_where_no_turn_is_quick_enough(half_width, repaired):
    """2.5 turns a second are 36 degrees a frame: 2 x 0.26 x sin 18 degrees = 0.16 body heights.

    Both sides together move by four times the half width when they change places.
    """
    truth = standing(20)
    for joint in EVERYTHING:
        for name, side in ((joint, 1), (mirrored(joint), -1)):
            truth.points[:, HOLISTIC.index(name), 0] = 128 + side * half_width
    assert body_height_px(truth) == HEIGHT_PX
    swapped = cleaning.swap_sides(truth, frames_from(8, 9, 20), joints=EVERYTHING)
    assert (cleaning.repair_side_swaps(swapped).points == truth.points).all() == repaired


@pytest.mark.parametrize(("places", "turned"), [((60.0, 190.0), False), ((80.0, 120.0), True)])
def test_a_cut_to_another_place_is_no_swap(places, turned):
    keypoints = person([(x, 128.0) for x in places for _ in range(20)])
    keypoints = cleaning.swap_sides(keypoints, frames_from(20, 40) & turned, joints=EVERYTHING)
    np.testing.assert_array_equal(cleaning.repair_side_swaps(keypoints).points, keypoints.points)


def test_the_only_hand_goes_to_the_wrist_it_hangs_on():
    truth = lost(standing(3), "left_hand", [1])
    swapped = cleaning.swap_sides(truth, np.array([False, True, False]), joints=HAND)
    assert swapped.score[1, joints_of("left_hand")].all()
    repaired = cleaning.repair_hands(swapped)
    np.testing.assert_array_equal(repaired.points, truth.points)
    np.testing.assert_array_equal(repaired.score, truth.score)


@pytest.mark.parametrize(
    ("missing", "place"),
    [
        ([], standing(1).joint("right_hand_wrist")[0][0] + 1),  # found twice
        (["right_hand", "right_wrist"], (2, 2)),  # in the corner, where missing joints are
        # nearer to the other wrist, 64 px away, and too far from its own, but not clearly
        (["right_hand"], standing(1).joint("left_hand_wrist")[0][0] - (36, 0)),
    ],
)
def test_a_hand_stays_that_is_not_clearly_the_others(missing, place):
    keypoints, hand = standing(2), joints_of("left_hand")
    for group in missing:
        keypoints = lost(keypoints, group, [1])
    keypoints.points[1, hand] += place - keypoints.points[1, hand.start]
    np.testing.assert_array_equal(cleaning.repair_hands(keypoints).points, keypoints.points)


STRAIGHT = [(100 + 3 * frame, 120 + frame) for frame in range(12)]
FILLS = (cleaning.fill_body_gaps, cleaning.fill_carried_gaps)


def fill(keypoints, longest):
    return cleaning.fill_carried_gaps(
        cleaning.fill_body_gaps(keypoints, longest_gap_frames=longest), longest_gap_frames=longest
    )


def wandering(seed, *, num_frames=14, chance=0.3):
    """Someone moving at random, with joints and whole groups missing at random."""
    rng = np.random.default_rng(seed)
    keypoints = person(rng.uniform(60, 190, (num_frames, 2)))
    for group in (*HOLISTIC.joints[:33], "left_hand", "right_hand", "face"):
        keypoints = lost(keypoints, group, np.flatnonzero(rng.uniform(size=num_frames) < chance))
    return keypoints


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_detected_joints_are_not_touched_and_others_lie_between_their_neighbors(seed, longest):
    keypoints = wandering(seed)
    seen = keypoints.score > 0
    filled = fill(keypoints, longest)
    np.testing.assert_array_equal(filled.points[seen], keypoints.points[seen])
    np.testing.assert_array_equal(filled.score[seen], keypoints.score[seen])
    np.testing.assert_array_equal(filled.filled, ~seen & (filled.score > 0))
    for frame, joint in np.argwhere(filled.filled[:, joints_of("body")]):
        seen = np.flatnonzero(keypoints.score[:, joint])
        ends = [seen[seen < frame].max(), seen[seen > frame].min()]
        assert ends[1] - ends[0] - 1 <= longest
        low, high = keypoints.points[ends, joint].min(axis=0), keypoints.points[ends, joint].max(0)
        assert (low - 1e-3 <= filled.points[frame, joint]).all()
        assert (filled.points[frame, joint] <= high + 1e-3).all()
        assert 0 < filled.score[frame, joint] < keypoints.score[ends, joint].max()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_a_gap_is_filled_by_a_monotone_cubic(seed):
    """Of all frames it depends on two on either side."""
    rng = np.random.default_rng(seed)
    truth = person(rng.uniform(60, 190, (14, 2)))
    filled = cleaning.fill_body_gaps(lost(truth, "nose", range(5, 8)), longest_gap_frames=3)
    seen = [frame for frame in range(14) if not 5 <= frame < 8]
    whole = PchipInterpolator(seen, truth.joint("nose")[0][seen].astype(float), axis=0)
    np.testing.assert_allclose(filled.joint("nose")[0][5:8], whole([5, 6, 7]), atol=1e-3)


@pytest.mark.parametrize("fill_some", FILLS)
@pytest.mark.parametrize(
    "frames", [range(4), range(8, 12), range(2, 8)], ids=["start", "end", "too long"]
)
def test_gaps_that_are_longer_or_at_the_ends_stay(fill_some, frames):
    keypoints = lost(lost(person(STRAIGHT), "left_hand", frames), "nose", frames)
    filled = fill_some(keypoints, longest_gap_frames=5)
    np.testing.assert_array_equal(filled.points, keypoints.points)
    np.testing.assert_array_equal(filled.score, keypoints.score)
    assert not filled.filled.any()


@pytest.mark.parametrize(
    ("last_score", "frames", "expected"),
    [
        (0.9, range(1, 6), [0.9, 0.75, 0.6, 0.45, 0.6, 0.75, 0.9]),  # a sixth less a frame away
        (0.5, [1], [0.9, 0.7 / 2, 0.5]),  # from one side to the other
    ],
)
def test_scores_fade_towards_the_middle_of_a_gap(last_score, frames, expected):
    keypoints = standing(len(expected))
    keypoints.score[-1] = last_score
    filled = fill(lost(keypoints, "nose", frames), len(frames))
    np.testing.assert_allclose(filled.joint("nose")[1], expected, rtol=1e-6)


def test_a_hand_goes_with_its_wrist_and_not_where_the_wrist_is_missing():
    """Missing beside the gap, the hand would seem to come from far away."""
    away = {4: (0, -30), 5: (0, -60), 6: (0, -30)}
    truth = moved(moved(person(STRAIGHT), "left_wrist", away), "left_hand", away)
    keypoints = lost(lost(truth, "left_hand", range(4, 7)), "left_wrist", [2])
    filled = cleaning.fill_carried_gaps(keypoints, longest_gap_frames=3)
    hand = joints_of("left_hand")
    np.testing.assert_allclose(filled.points[:, hand], truth.points[:, hand], atol=1e-3)


def test_a_single_finger_is_never_filled():
    """Neither out of sight alone, nor in the hand's gap where it was missing beside it."""
    alone = lost(standing(5), "left_hand_thumb_tip", [2])
    assert not fill(alone, 3).filled.any()
    keypoints = lost(lost(standing(6), "left_hand", [2, 3]), "left_hand_thumb_tip", [1])
    filled = fill(keypoints, 3).filled
    assert not filled[:, HOLISTIC.index("left_hand_thumb_tip")].any()
    assert filled[2:4, joints_of("left_hand")].sum() == 2 * 20


SETTINGS = {
    "longest_gap_seconds": 0.2,
    "longest_outlier_seconds": 0.12,
    "smoothing": "savitzky_golay",
    "smoothing_seconds": 0.25,
}
PATH = [(80 + 1.5 * frame, 120 + 0.5 * frame) for frame in range(40)]


def broken():
    """Someone walking straight, broken in every way, and the frames it was done in."""
    keypoints = moved(person(PATH), "left_knee", {20: (0, -50)})
    keypoints = lost(keypoints, "right_elbow", range(5, 9))
    keypoints = lost(keypoints, "left_hand", range(30, 35))
    keypoints = moved(keypoints, "right_hand", dict.fromkeys(range(30, 34), (0, -30)))
    keypoints = cleaning.swap_sides(keypoints, frames_from(25, 27), joints=HAND)
    return cleaning.swap_sides(keypoints, frames_from(12, 15), joints=EVERYTHING)


def test_all_faults_are_repaired_and_counted():
    cleaned, repairs = cleaning.clean(broken(), **SETTINGS)
    np.testing.assert_allclose(cleaned.points, person(PATH).points, atol=0.02)
    assert repairs.counts() == {
        "frames_with_sides_repaired": 3,
        "frames_with_hands_repaired": 2,
        "frames_with_joints_removed": 1 + 4,
        "joints_removed": 1 + 4 * 21,
        "joints_filled": 1 + 4 + (5 + 4) * 21,
    }
    assert np.flatnonzero(repairs.sides).tolist() == [12, 13, 14]
    assert np.flatnonzero(repairs.hands).tolist() == [25, 26]
    assert np.flatnonzero(repairs.removed).tolist() == [20, 30, 31, 32, 33]
    assert repairs.filled[[5, 32]].tolist() == [1, 42]


def test_cleaning_can_be_turned_off():
    nothing = {"longest_gap_seconds": 0.0, "longest_outlier_seconds": 0.0, "smoothing": "none"}
    keypoints = lost(moved(person(PATH), "left_knee", {20: (0, -50)}), "right_elbow", [7])
    cleaned, repairs = cleaning.clean(keypoints, **SETTINGS | nothing)
    np.testing.assert_array_equal(cleaned.points, keypoints.points)
    np.testing.assert_array_equal(cleaned.score, keypoints.score)
    assert not any(repairs.counts().values())


@pytest.mark.parametrize(("frame_rate", "filled"), [(25, 5), (50, 5), (10, 0)])
def test_times_are_seconds_whatever_the_frame_rate(frame_rate, filled):
    keypoints = lost(standing(30, frame_rate=frame_rate), "nose", range(10, 15))
    cleaned, _ = cleaning.clean(keypoints, **SETTINGS)
    assert cleaned.filled[:, joints_of("nose")].sum() == filled
