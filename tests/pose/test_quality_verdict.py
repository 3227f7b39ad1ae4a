"""The verdict says what is wrong, how much, and what to do; and is silent otherwise."""

import re

import numpy as np
import pytest

from motiontransfer.pose.quality import FILLED, MISSING, NOTHING_TO_MEND, PARTS, verdict
from tests.pose.judging import NUM_FRAMES, quality, share


def test_a_flawless_clip_needs_nothing():
    assert verdict(quality()) == [NOTHING_TO_MEND]


def everywhere(frames):
    return [(part, MISSING, frames) for part in PARTS]


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (
            quality(outside={"feet": share(31)}),
            r"^feet are beyond the frame's edge in 31 % of frames: film from farther away, .*crop",
        ),
        (quality(outside={"head": share(5)}), "^head is beyond the frame's edge in 5 % of frames"),
        (
            quality(everywhere(np.arange(50, 70))),
            r"^nobody is found in 20 % of frames, the longest time from 2\.0 s to 2\.8 s: cut",
        ),
        (
            quality([("left hand", MISSING, share(88)), ("right hand", MISSING, share(12))]),
            r"^the left hand is known in 12 %, the right in 88 % of frames: .*light",
        ),
        (quality([("face", MISSING, share(60))]), "^the face is known in 40 % of frames: .*light"),
        (
            quality([("left leg", MISSING, share(8))]),
            "^one leg or both are not found in 8 % of frames though they should be in view: ",
        ),
        (
            quality(body_height_px=84.4),
            r"^the person is about 84 px tall; .*crop: auto, or raise decode\.size",
        ),
        (
            quality(with_others=share(40)),
            r"^others are in view in 40 % of frames: .*set the video's person to the number",
        ),
        (
            quality(possible_switches=1),
            r"^who was followed may have changed once: .*set the video's person to the numbers",
        ),
        (quality(possible_switches=3), r"^who was followed may have changed 3 times: "),
        (
            quality(speed=np.where(np.arange(NUM_FRAMES) >= 90, 7.0, 1.0)),
            r"^joints jump in 10 % of frames, first at 3\.6 s: ",
        ),
        (
            quality(camera_speed=0.034),
            r"^the camera moves, by 3\.4 % of the picture's width a second: .*firm",
        ),
    ],
)
def test_one_fault_is_one_sentence(clip, sentence):
    (said,) = verdict(clip)
    assert re.search(sentence, said)


@pytest.mark.parametrize(
    "clip",
    [
        quality(outside={"feet": share(2), "head": share(1)}),
        quality(everywhere(share(2))),
        quality([("left hand", MISSING, share(20)), ("face", MISSING, share(50))]),
        quality([(part, FILLED, share(100)) for part in PARTS]),
        quality([("left leg", MISSING, share(2))]),
        quality(with_others=share(2)),
        quality(speed=np.full(NUM_FRAMES, 5.9)),
        quality(camera_speed=0.014),
        quality(camera_speed=None),
        quality(body_height_px=140.0),
    ],
    ids=str,
)
def test_what_is_rare_or_small_is_not_worth_a_word(clip):
    assert verdict(clip) == [NOTHING_TO_MEND]


def test_arms_and_legs_that_are_outside_or_of_nobody_are_told_only_as_that():
    outside = quality(
        [("left leg", MISSING, share(30)), ("right arm", MISSING, share(30))],
        outside={"feet": share(30), "hands": share(30)},
    )
    assert [sentence.split(" are ")[0] for sentence in verdict(outside)] == ["hands", "feet"]
    nobody = verdict(quality(everywhere(share(10))))
    assert [sentence.split(" is ")[0] for sentence in nobody] == ["nobody"]


def test_a_clip_of_nobody_is_one_sentence():
    (said,) = verdict(quality(everywhere(share(100)), camera_speed=0.1))
    assert said.startswith("nobody is found in any of 100 frames: film one person")


def test_the_gravest_comes_first():
    clip = quality(everywhere(share(30)), outside={"feet": share(50)}, camera_speed=0.1)
    starts = ["nobody", "feet", "the left hand", "the camera"]
    assert all(
        sentence.startswith(start) for sentence, start in zip(verdict(clip), starts, strict=True)
    )
