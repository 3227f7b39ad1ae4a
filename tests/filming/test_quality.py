import re
from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.filming.quality import (
    FILLED,
    MEASURED,
    MISSING,
    NOTHING_TO_FIX,
    PARTS,
    camera_speed,
    degrees_to_turn,
    measure_quality,
    pairs_of_clip,
    quality_metrics,
    unusually_exposed,
    verdict,
)
from motiontransfer.pose.cleaning import Repairs
from motiontransfer.pose.skeleton import BODY_JOINTS, HOLISTIC
from motiontransfer.video.frame_store import FrameStore
from tests.filming.flawless import NUM_FRAMES, quality, share
from tests.films import film
from tests.people import HEIGHT_PX, joints_of, known_to, lost, person, rotated, standing


def measured(keypoints, *, content=(0, 0, 256, 256), **others):
    nowhere = np.zeros(keypoints.num_frames, np.bool_)
    settings = {"with_others": nowhere, "possible_switches": 0, "camera_speed": None} | others
    none = Repairs.none(keypoints.num_frames)
    return measure_quality(keypoints, none, content=content, **settings)


@pytest.mark.parametrize(
    ("joint", "part"),
    [
        *(("left_eye", "head"), ("right_hip", "trunk"), ("left_wrist", "left arm")),
        *(("right_elbow", "right arm"), ("left_knee", "left leg"), ("right_ankle", "right leg")),
        *(("left_heel", "feet"), ("right_hand_thumb_tip", "right hand"), ("face_chin", "face")),
    ],
)
def test_a_part_is_missing_where_one_of_its_joints_is(joint, part):
    quality = measured(lost(standing(4), joint, [1]))
    assert quality.of_part(part).tolist() == [MEASURED, MISSING, MEASURED, MEASURED]
    assert (quality.state != MEASURED).sum() == 1


def test_joints_of_the_face_that_a_detector_does_not_know_are_not_missed():
    known = set(HOLISTIC.joints) - {"face_forehead", "left_face_temple", "right_face_temple"}
    quality = measured(lost(known_to(known, standing(3)), "face_chin", [1]))
    assert quality.of_part("face").tolist() == [MEASURED, MISSING, MEASURED]
    assert not measured(known_to(BODY_JOINTS, standing(3))).of_part("face").any()


def marked(keypoints, joints, frames):
    """The same with some joints marked as filled in."""
    filled = np.zeros(keypoints.score.shape, np.bool_)
    filled[frames, joints_of(joints)] = True
    return replace(keypoints, filled=filled)


def test_a_part_is_filled_where_none_is_missing_and_one_was_filled():
    keypoints = marked(lost(standing(3), "left_wrist", [2]), "left_elbow", slice(1, None))
    assert measured(keypoints).of_part("left arm").tolist() == [MEASURED, FILLED, MISSING]


@pytest.mark.parametrize(
    ("hips", "end", "joints"),
    [
        ((128, 185), "feet", ["left_ankle", "right_ankle"]),
        ((128, 185), "feet", ["left_ankle", "left_knee"]),
        ((128, 75), "head", ["nose"]),
        ((222, 128), "hands", ["left_wrist"]),
        ((222, 128), "hands", ["left_wrist", "left_elbow"]),
    ],
)
def test_joints_missing_near_the_edge_are_outside(hips, end, joints):
    keypoints = person([hips] * 2)
    for joint in joints:
        keypoints = lost(keypoints, joint, [1])
    outside = {name: of.tolist() for name, of in measured(keypoints).outside.items() if of.any()}
    assert outside == {end: [False, True]}


def test_an_arm_that_is_hidden_is_not_outside():
    """From a shoulder 32 px from the edge an elbow of a body of 150 px is at most 27 px away."""
    keypoints = person([(204, 128)] * 2)
    for joint in ("left_wrist", "left_elbow"):
        keypoints = lost(keypoints, joint, [1])
    assert not any(of.any() for of in measured(keypoints).outside.values())


def test_the_metrics_are_shares_counts_and_gaps():
    keypoints = lost(lost(standing(8), "left_hand", [1, 2, 3, 5]), "face", [0])
    keypoints = marked(keypoints, "left_hand", slice(6, 8))
    clip = measured(keypoints, camera_speed=0.012345, possible_switches=2)
    metrics = quality_metrics(replace(clip, outside={"feet": np.arange(8) < 3}))
    expected = {
        **{"frames": 8, "coverage_left_hand": 4 / 8, "filled_left_hand": 2 / 8},
        **{"longest_gap_left_hand_frames": 3, "coverage_face": 7 / 8, "coverage_right_leg": 1},
        **{"frames_with_feet_outside": 3, "body_height_px": HEIGHT_PX, "camera_speed": 0.0123},
    }
    assert expected.items() <= metrics.items()
    assert {f"coverage_{part.replace(' ', '_')}" for part in PARTS} <= set(metrics)


def everywhere(frames):
    return [(part, MISSING, frames) for part in PARTS]


@pytest.mark.parametrize(
    ("clip", "says"),
    [
        (quality(outside={"feet": share(31)}), "^feet are .* 31 % .*crop"),
        (quality(outside={"head": share(5)}), "^head is .* 5 %"),
        (quality(everywhere(np.arange(50, 70))), r"^no person .* 20 % .* 2\.0 s to 2\.8 s"),
        (
            quality([("left hand", MISSING, share(88)), ("right hand", MISSING, share(12))]),
            "^the left hand .* 12 %, the right in 88 %",
        ),
        (
            quality(
                [("left hand", MISSING, share(65)), ("right hand", MISSING, share(50))],
                outside={"hands": share(50)},
                shows="waist",
            ),
            "^the left hand .* 70 %, the right in 100 % of frames that show both: .*",
        ),
        (quality([("face", MISSING, share(60))]), "^the face .* 40 %"),
        (quality([("left leg", MISSING, share(8))]), "^one leg .* 8 %"),
        (quality(body_height_px=84.4), r"^the person .* 84 px .*crop at auto.*decode\.size"),
        (quality(with_others=share(40)), "^others .* 40 % .*person"),
        (quality(possible_switches=1), "^who was followed .* once.*person"),
        (quality(possible_switches=3), "^who was followed .* 3 times"),
        (
            quality(repairs=replace(Repairs.none(NUM_FRAMES), misfits=~share(90))),
            r"^no body fits .* 10 % .* 3\.6 s",
        ),
        (quality(camera_speed=0.034), r"^the camera moves, by 3\.4 %"),
    ],
)
def test_one_fault_is_one_sentence(clip, says):
    (advice,) = verdict(clip)
    assert re.search(says, advice)


@pytest.mark.parametrize(
    "clip",
    [
        quality(),
        quality(outside={"feet": share(2), "head": share(1)}),
        quality(everywhere(share(2))),
        quality([("left hand", MISSING, share(20)), ("face", MISSING, share(50))]),
        quality([("left hand", MISSING, share(100))], outside={"hands": share(100)}, shows="chest"),
        quality([(part, FILLED, share(100)) for part in PARTS]),
        quality([("left leg", MISSING, share(2))]),
        quality(with_others=share(2)),
        quality(repairs=replace(Repairs.none(NUM_FRAMES), misfits=share(2))),
        quality(camera_speed=0.014),
        quality(camera_speed=None),
        quality(body_height_px=140.0),
    ],
    ids=str,
)
def test_rare_faults_are_not_mentioned(clip):
    assert verdict(clip) == [NOTHING_TO_FIX]


HANDS_AND_FEET_OUT = {"feet": share(30), "hands": share(30)}


@pytest.mark.parametrize(
    ("clip", "starts"),
    [
        (quality(everywhere(share(100)), camera_speed=0.1), ["no person is detected in any"]),
        (
            quality(
                [(part, MISSING, share(30)) for part in ("left leg", "right arm")],
                outside=HANDS_AND_FEET_OUT,
            ),
            ["hands", "feet"],
        ),
        (
            quality(everywhere(share(30)), outside={"feet": share(50)}, camera_speed=0.1),
            ["no person", "feet", "the left hand", "the camera"],
        ),
    ],
    ids=["nobody is all there is to say", "limbs outside are no other fault", "by gravity"],
)
def test_of_several_faults_the_gravest_comes_first(clip, starts):
    assert all(map(str.startswith, verdict(clip), starts))
    assert len(verdict(clip)) == len(starts)


HIPS = [(60.0 + 4 * frame, 128.0) for frame in range(30)]


def wall():
    """A wall of colored boxes, wider than the frame."""
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (32, 64, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def filmed_speed(path, frames):
    with FrameStore(film(path, frames)) as store:
        return camera_speed(pairs_of_clip(store, person(HIPS[: len(frames)])))


def with_dancer(frame, hips):
    """A dark figure with a bright pattern that moves along."""
    shown, x = frame.copy(), int(hips[0])
    shown[50:206, max(0, x - 30) : x + 30] = 20
    shown[80:100:4, max(0, x - 20) : x + 20] = 250
    return shown


@pytest.mark.parametrize(("pixels_a_frame", "speed"), [(0, 0.0), (2, 2 * 25 / 256)])
def test_camera_speed_is_that_of_the_background(tmp_path, pixels_a_frame, speed):
    background = wall()
    shown = (background[:, pixels_a_frame * index :][:, :256] for index in range(len(HIPS)))
    frames = [with_dancer(part, hips) for part, hips in zip(shown, HIPS, strict=True)]
    assert filmed_speed(tmp_path / "frames.mkv", frames) == pytest.approx(speed, abs=0.01)


@pytest.mark.parametrize(
    "frames",
    [
        [with_dancer(np.full((256, 256, 3), 128, np.uint8), hips) for hips in HIPS],
        [wall()[:, :256]] * 3,
    ],
    ids=["a plain wall", "a very short clip"],
)
def test_camera_speed_is_unknown(tmp_path, frames):
    assert filmed_speed(tmp_path / "frames.mkv", frames) is None


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        # Black, then a fade, and a flash at 9; frame 8 is a tenth darker, as by a cloud.
        ([0, 0, 30, 60, 100, 100, 100, 100, 90, 220, 100, 100], [0, 1, 2, 3, 9]),
        ([30] * 4 + [100] * 4, [0, 1, 2, 3]),
    ],
)
def test_frames_far_from_the_usual_brightness_are_found(tmp_path, levels, found):
    frames = [np.full((16, 16, 3), level, np.uint8) for level in levels]
    with FrameStore(film(tmp_path / "v.mkv", frames)) as store:
        assert np.flatnonzero(unusually_exposed(store)).tolist() == found


def test_who_stands_across_a_room_that_is_upright_lies_there():
    room = np.full((256, 256, 3), 200, np.uint8)
    room[180:] = 80  # the floor
    across = rotated(standing(5), 90)
    assert degrees_to_turn(across, np.rot90(room)) == 270
    assert degrees_to_turn(across, np.full_like(room, 200)) == 270
    assert degrees_to_turn(across, room) == 0
    assert degrees_to_turn(rotated(standing(5), 180), room) == 180
    (sentence, *_) = verdict(quality(turn=270))
    assert "--rotate 270`" in sentence
