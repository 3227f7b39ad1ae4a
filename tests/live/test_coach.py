import json

import cv2
import numpy as np
import pytest

from motiontransfer.live.coach import Coach
from tests.live.parts import joints_of
from tests.people import joined, lost, moved, place, scaled, standing

ARM_UP = moved(standing(1), "left_wrist", {0: (40, -40)})
DANCE = joined(standing(3), ARM_UP)
TILES = np.random.default_rng(0).integers(60, 200, (32, 32, 1))
LIGHT = np.repeat(TILES.repeat(8, axis=0).repeat(8, axis=1), 3, axis=2).astype(np.uint8)


class Camera:
    """A coach whose detector sees what a test says, a second apart."""

    def __init__(self, frames=(0, 3), dance=DANCE):
        self.coach = Coach(dance, frames, lambda _: [np.array(self.people)])
        self.now = 0.0

    def see(self, *people, picture=LIGHT):
        self.people = [joints_of(each)[0] for each in people]
        self.now += 1.0
        return self.coach.look(picture, seconds=self.now)


def test_poses_are_ticked_and_the_first_without_is_shown_until_all_are():
    camera = Camera()
    camera.see(ARM_UP)  # of one frame nothing is known to be sharp
    seen = camera.see(ARM_UP)
    assert (seen["ticks"], seen["pose"], seen["told"]) == ([False, True], 0, [])
    camera.see(standing(1))
    seen = camera.see(standing(1))
    assert (seen["ticks"], seen["pose"], seen["outline"]) == ([True, True], None, [])
    assert json.loads(json.dumps(seen))["size"] == [256, 256]


@pytest.mark.parametrize("zoom", [0.5, 0.8])
def test_the_outline_is_as_high_as_one_is_and_stands_where_one_stands(zoom):
    seen = Camera(frames=(0,)).see(scaled(standing(1), zoom, (20, 30)))
    drawn, wanted = (np.array([line[:4] for line in seen[name]]) for name in ("figure", "outline"))
    assert wanted == pytest.approx(drawn, abs=0.5)
    assert {line[5] for line in seen["figure"]} == {True}


def test_a_part_that_is_elsewhere_is_not_good():
    seen = Camera(frames=(3,)).see(standing(1))
    is_good = {tuple(line[:4]): line[5] for line in seen["figure"]}
    for side, expected in (("left", False), ("right", True)):
        elbow, wrist = (place(standing(1), f"{side}_{name}") for name in ("elbow", "wrist"))
        assert is_good[(*elbow, *wrist)] == expected


def test_what_is_missing_in_view_is_told_if_the_poses_show_it():
    assert Camera().see()["told"] == ["nobody is in view"]
    no_feet = lost(standing(1), "left_ankle", [0])
    assert Camera().see(no_feet)["told"] == ["your feet are not in view: step back"]
    without = lost(lost(DANCE, "left_ankle", range(4)), "right_ankle", range(4))
    assert Camera(dance=without).see(no_feet)["told"] == []
    (told,) = Camera().see(lost(standing(1), "right_wrist", [0]))["told"]
    assert told == "your hands are not in view: step back"


def test_too_dark_and_too_blurred_are_told():
    (dark,) = Camera().see(standing(1), picture=LIGHT // 4)["told"]
    assert dark.startswith("it is too dark")
    (blurred,) = Camera().see(standing(1), picture=cv2.GaussianBlur(LIGHT, (0, 0), 4))["told"]
    assert blurred.startswith("the picture is blurred")
    assert not Camera().see(standing(1), picture=cv2.GaussianBlur(LIGHT, (0, 0), 1))["told"]


def test_who_moves_is_told_to_hold_still_and_who_mirrors_to_change_sides():
    camera = Camera(frames=(0,))
    camera.see(scaled(standing(1), shift=(60, 0)))
    assert camera.see(standing(1))["told"] == ["hold still"]
    other_side = moved(standing(1), "right_wrist", {0: (-40, -40)})
    (told,) = Camera(frames=(3,)).see(other_side)["told"]
    assert told.startswith("the other way round")
