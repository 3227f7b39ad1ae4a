import re
from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.body.completion import complete
from motiontransfer.pose.shown import SHOWN, compared_films, frames_showing, what_is_shown
from tests.people import joined, lost, person

LOWEST = {"whole": 256, "knees": 170, "waist": 135, "chest": 100, "face": 60, "nobody": 10}
LEGS = ("knee", "ankle", "heel", "foot_index")


def film(shows, *, frames=50, move=lambda index: (0, 0), guesses=False):
    """Someone of a trunk of 50 px whose hips are at (128, 130), cut below a row of the image."""
    path = [np.add((128, 130), move(index)) for index in range(frames)]
    keypoints = replace(person(path), image_size=(LOWEST[shows], 256))
    outside = (keypoints.points[..., 1] >= LOWEST[shows]) | (keypoints.points[..., 1] < 0)
    return keypoints if guesses else keypoints.without(outside)


def place(keypoints, joint):
    points, score = keypoints.joint(joint)
    assert (score > 0).all(), joint
    return points


@pytest.mark.parametrize("guesses", [False, True])
@pytest.mark.parametrize("shows", LOWEST)
def test_a_film_shows_what_is_seen_inside_it_and_no_guess_beyond(shows, guesses):
    keypoints = film(shows, guesses=guesses)
    assert what_is_shown(keypoints) == shows
    levels = frames_showing(keypoints, (0, 0, 256, LOWEST[shows]))
    assert {SHOWN[level] for level in levels} == {shows}


def test_half_of_the_frames_decide_and_the_edge_of_the_film_not_that_of_black_bars():
    whole = film("whole")
    assert what_is_shown(whole, (0, 0, 256, 135)) == "waist"
    for share, shows in ((25, "whole"), (26, "knees")):
        gone = range(share)
        without = lost(lost(whole, "left_ankle", gone), "right_ankle", gone)
        assert what_is_shown(without) == shows


def test_ankles_of_which_no_frame_shows_both_stand_under_the_trunk():
    """One is hidden in the first half of the film, the other in the second: in grass, perhaps."""
    hidden = lost(lost(film("whole"), "left_ankle", range(25)), "right_ankle", range(25, 50))
    assert what_is_shown(hidden) == "knees"
    placed = complete(hidden)
    floor = place(film("whole"), "left_ankle")[0, 1]
    for side, frames in (("left", range(25)), ("right", range(25, 50))):
        assert place(placed, f"{side}_ankle")[:, 1] == pytest.approx(floor, abs=6)
        assert placed.completed[frames, placed.skeleton.index(f"{side}_ankle")].all()
    assert what_is_shown(joined(hidden, film("whole", frames=1))) == "whole"


@pytest.mark.parametrize("shows", ["whole", "face", "nobody"])
def test_whole_bodies_and_faces_stay_as_they_are(shows):
    keypoints = film(shows)
    assert complete(keypoints) is keypoints


@pytest.mark.parametrize("shows", ["knees", "waist", "chest"])
def test_legs_stand_where_usual_ones_do_under_such_a_body(shows):
    """Trunk 50 px, so legs of about 1.5 * 50 px; of a chest, shoulders and head tell the size."""
    completed = complete(film(shows))
    hips, ankles = (place(completed, f"left_{joint}") for joint in ("hip", "ankle"))
    legs = pytest.approx(1.5 * 50, rel=0.4 if shows == "chest" else 0.2)
    assert (ankles - hips)[:, 1].mean() == legs
    assert hips[:, 1] == pytest.approx(130, abs=20 if shows == "chest" else 0.01)
    assert np.ptp(ankles, axis=0) == pytest.approx([0, 0], abs=0.3)
    assert (ankles > place(completed, "right_ankle"))[:, 0].all()


def test_what_is_completed_is_marked_and_measured_is_what_was_there():
    keypoints = film("waist", guesses=True)
    completed = complete(keypoints)
    marked = {keypoints.skeleton.joints[n] for n in np.flatnonzero(completed.completed.any(axis=0))}
    assert marked >= {f"{side}_{joint}" for side in ("left", "right") for joint in LEGS}
    assert not any("eye" in joint or "shoulder" in joint or "hip" in joint for joint in marked)
    seen = ~completed.completed
    np.testing.assert_array_equal(completed.points[seen], keypoints.points[seen])
    assert (completed.measured().score[completed.completed] == 0).all()
    assert complete(film("waist").part(range(5))).part([2]).completed.any()


def test_feet_stay_and_knees_follow_as_hips_go_down_for_a_moment():
    dip = complete(film("waist", move=lambda index: (0, 4 * (20 <= index < 30) - 4)))
    ankles, knees = place(dip, "left_ankle"), place(dip, "left_knee")
    assert np.ptp(ankles, axis=0) == pytest.approx([0, 0], abs=0.3)
    assert knees[25, 1] - knees[5, 1] == pytest.approx(4 * (1 - 0.78 / 1.5), abs=0.2)


def test_feet_leave_the_floor_in_a_jump_and_follow_a_walk():
    def ankle(frames, move):
        return place(complete(film("waist", frames=frames, move=move)), "left_ankle")

    jump = ankle(50, lambda index: (0, -40 * (20 <= index < 26)))
    assert jump[5, 1] - jump[23, 1] == pytest.approx(40 - 0.03 * 1.5 * 50, abs=1)
    walk = ankle(200, lambda index: (index / 4 - 25, 0))
    assert walk[150, 0] - walk[50, 0] == pytest.approx(25, abs=0.5)


@pytest.mark.parametrize("horizon", [130, 58])
def test_who_comes_nearer_stands_on_longer_legs_and_where_the_camera_sees_the_floor(horizon):
    """From 0.8 to 1.2 of the size around the hips, or the eyes, at which the camera is then."""
    near = film("waist", frames=200)
    size, middle = np.linspace(0.8, 1.2, 200)[:, None, None], np.array([128, horizon])
    points = np.where(near.score[..., None] > 0, middle + size * (near.points - middle), 0)
    completed = complete(replace(near, points=points.astype(np.float32)), content=(0, 0, 256, 300))
    ankles = place(completed, "left_ankle")
    grown = 0.4 * 140 / 199
    assert ankles[170, 1] - ankles[30, 1] == pytest.approx((130 - horizon + 75) * grown, rel=0.1)


def test_shoulders_that_leave_the_picture_follow_the_head():
    """They are seen in frames 0 to 29 of 50; the head goes on to the right."""
    keypoints = film("chest", move=lambda index: (index, 0))
    for side in ("left", "right"):
        keypoints = lost(keypoints, f"{side}_shoulder", range(30, 50))
    completed = complete(keypoints)
    shoulder = place(completed, "left_shoulder")
    np.testing.assert_allclose(shoulder - shoulder[0], [(n, 0) for n in range(50)], atol=4)
    marks = completed.completed[:, completed.skeleton.index("left_shoulder")]
    np.testing.assert_array_equal(marks, np.arange(50) >= 30)


@pytest.mark.parametrize("frames", [[20], range(20, 50)])
def test_a_hand_that_comes_into_view_is_at_a_wrist_however_rarely_it_does(frames):
    """Above the lower edge, at row 100; its arm is not found."""
    keypoints = film("chest")
    hand = keypoints.skeleton.slice("left_hand")
    keypoints.points[frames, hand] = (150, 95)
    keypoints.score[frames, hand] = 0.7
    completed = complete(keypoints)
    wrist = completed.skeleton.index("left_wrist")
    np.testing.assert_array_equal(completed.points[frames, wrist], [(150, 95)] * len(frames))
    assert not completed.completed[frames, wrist].any()
    assert (completed.points[frames, completed.skeleton.index("left_index"), 1] > 100).all()
    assert completed.completed[5, wrist] == (len(frames) == 1)  # else it rests where it is seen


@pytest.mark.parametrize(
    ("dance", "target", "said"),
    [
        *(("whole", "whole", "^$"), ("face", "whole", "^$"), ("waist", "waist", "^both .*: fine$")),
        ("whole", "knees", "^the dance's legs will not be seen: .* knees up$"),
        ("waist", "whole", "^the target's legs will stand: .* waist up$"),
        ("chest", "knees", "^the target's legs and hips will stand: .* chest up$"),
    ],
)
def test_what_becomes_of_the_legs(dance, target, said):
    assert re.search(said, " ".join(compared_films(dance, target)))
