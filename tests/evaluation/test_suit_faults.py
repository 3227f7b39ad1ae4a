"""Faults of structure that a benchmark counts, in a person of rectangles."""

import numpy as np
import pytest

from benchmarks.transfer.suit import (
    COLORS,
    PARTS,
    Compared,
    Fault,
    compare,
    moved_map,
    part_map,
    shift_onto,
    shown_parts,
)
from benchmarks.transfer.turning import figures_of_suit
from demo.actors.appearance import display

BOXES = {
    "head hair": (14, 24, 52, 68),
    "head face": (24, 38, 52, 68),
    "trunk front": (40, 90, 45, 75),
    "upper_arm left": (42, 62, 75, 83),
    "forearm left": (62, 82, 75, 83),
    "hand left": (82, 92, 75, 83),
    "thigh left": (90, 120, 62, 74),
    "shin left": (120, 150, 62, 74),
    "foot left": (150, 156, 62, 78),
}
"""First row, row behind the last, and so the columns; right is the left's mirror image."""


def drawn(boxes):
    parts = np.full((180, 120), -1, np.int8)
    for name, (top, bottom, left, right) in boxes.items():
        parts[top:bottom, left:right] = PARTS.index(name)
        if name.endswith("left"):
            twin = name.replace("left", "right")
            parts[top:bottom, 120 - right : 120 - left] = PARTS.index(twin)
    return parts


TRUTH = drawn(BOXES)
FROM_BEHIND = drawn({**BOXES, "head face": (14, 15, 52, 68), "head hair": (15, 38, 52, 68)})


def without(*names):
    return np.where(np.isin(TRUTH, [PARTS.index(name) for name in names]), -1, TRUTH)


def with_box(name, top, bottom, left, right, parts=TRUTH):
    parts = parts.copy()
    parts[top:bottom, left:right] = PARTS.index(name)
    return parts


def lower(rows, *names):
    parts = without(*names)
    own = np.isin(TRUTH, [PARTS.index(name) for name in names])
    parts[rows:][own[:-rows]] = TRUTH[own]
    return parts


@pytest.mark.parametrize(
    ("got", "faults"),
    [
        (TRUTH, []),
        (without("forearm left"), [("missing", "forearm left")]),
        (without("hand left", "hand right"), [("missing", "hand left"), ("missing", "hand right")]),
        (with_box("forearm left", 120, 140, 90, 98), [("doubled", "forearm")]),
        (with_box("thigh left", 20, 70, 90, 118), [("doubled", "thigh"), ("extra", "thigh")]),
        (with_box("trunk front", 40, 180, 84, 120), [("extra", "trunk")]),
        (with_box("trunk back", 40, 90, 45, 75), [("turned", "trunk front")]),
        (with_box("trunk back", 40, 90, 45, 58), []),  # a strip of the side
        (with_box("head hair", 14, 38, 52, 68), [("turned", "head face")]),
        (lower(5, "forearm left", "hand left"), [("apart", "upper_arm left")]),
        (lower(2, "forearm left", "hand left"), []),
        (with_box("upper_arm left", 62, 70, 75, 83), []),  # an elbow that lies lower
    ],
)
def test_each_fault_is_named_with_its_part(got, faults):
    assert compare(TRUTH, got).faults == [Fault(*fault) for fault in faults]


def test_a_face_on_the_back_of_the_head_is_a_fault_of_its_own():
    assert compare(FROM_BEHIND, TRUTH).faults == [("face behind", "head hair")]
    assert compare(TRUTH, FROM_BEHIND).faults == [("turned", "head face")]


def test_a_limb_from_the_other_side_is_no_fault_and_counted():
    of_arms = np.isin(TRUTH, range(PARTS.index("hand left")))
    exchanged = np.where(of_arms, TRUTH ^ 1, TRUTH)
    assert compare(TRUTH, TRUTH).num_mirrored == 0
    found = compare(TRUTH, exchanged)
    assert (found.faults, found.num_mirrored) == ([], 4)
    assert found.iou["upper_arm"] == 1


def test_sides_that_touch_in_truth_alone_are_not_doubled():
    def feet(gap):
        none = without("foot left", "foot right")
        parts = with_box("foot right", 150, 156, 48 - gap, 60 - gap, none)
        return with_box("foot left", 150, 156, 60 + gap, 72 + gap, parts)

    assert compare(feet(0), feet(8)).faults == []
    third = with_box("foot left", 120, 126, 90, 102, feet(8))
    assert compare(feet(0), third).faults == [("doubled", "foot")]


def test_a_far_side_that_shows_a_little_more_is_not_doubled():
    profile = without("thigh right")
    assert compare(profile, with_box("thigh right", 90, 120, 57, 62, profile)).faults == []


def test_overlap_is_of_both_sides_of_a_limb_and_of_each_side_of_the_trunk():
    found = compare(TRUTH, with_box("trunk back", 40, 90, 45, 60)).iou
    assert found["trunk front"] == pytest.approx(0.5)
    assert set(found.values()) == {1.0, found["trunk front"]}
    one = compare(TRUTH, without("forearm left"))
    assert one.iou["forearm"] == pytest.approx(0.5)


@pytest.mark.parametrize("lost", [(), ("upper_arm left", "forearm left", "hand left")])
def test_a_result_is_moved_by_what_most_of_its_things_are_off(lost):
    off = moved_map(without(*lost), np.array([3.0, -2.0]))
    shift = shift_onto(TRUTH, off)
    assert shift.tolist() == [-3, 2]
    np.testing.assert_array_equal(moved_map(off, shift), without(*lost))


@pytest.mark.parametrize("light", [0.3, 0.9, 1.6])
def test_a_part_is_known_in_any_light(light):
    colors = np.rint(display(COLORS * light)).astype(np.uint8)
    frame = np.repeat(np.repeat(colors[None], 8, axis=0), 8, axis=1)
    assert part_map(frame)[4, 4::8].tolist() == list(range(len(PARTS)))


@pytest.mark.parametrize("color", [(214, 166, 134), (132, 88, 64), (128, 128, 128), (30, 4, 4)])
def test_skin_gray_and_the_dark_are_no_part(color):
    assert (part_map(np.full((8, 8, 3), color, np.uint8)) == -1).all()


def test_a_part_is_shown_from_its_least_area_on():
    """Limbs from .002 of 120x180 pixels on: 43.2, feet from 17.28 on."""
    parts = np.full((180, 120), -1, np.int8)
    limb, foot, hand = (PARTS.index(name) for name in ("shin left", "foot right", "hand left"))
    parts[0, :44], parts[1, :18], parts[2, :17] = limb, foot, hand
    assert shown_parts(parts) == {"shin left", "foot right"}
    assert shown_parts(np.full((180, 120), -1, np.int8)) == set()


@pytest.mark.parametrize(
    ("fault", "num_unfilmed"),
    [
        (Fault("turned", "trunk back"), 1.0),
        (Fault("turned", "trunk front"), 0.0),
        (Fault("face behind", "head hair"), 0.0),
    ],
)
def test_only_a_side_of_the_trunk_that_was_not_filmed_cannot_be_avoided(fault, num_unfilmed):
    compared = Compared([fault], 0, {"trunk back": 0.0})
    filmed = {*PARTS} - {"trunk back", "head hair"}
    assert figures_of_suit(compared, filmed)["unfilmed"] == num_unfilmed
