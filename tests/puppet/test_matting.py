import cv2
import numpy as np
import pytest

from motiontransfer.puppet.fit.matting import (
    grab_cut,
    person_matte,
    share_by_color,
    unlike_room,
    without_rim,
)
from tests.people import inside

SIZE = 120
PERSON, ROOM = np.array([200, 40, 60.0]), np.array([60, 90, 150.0])
Y, X = np.mgrid[:SIZE, :SIZE]
FROM_CENTER = np.hypot(X - 60, Y - 60)
SHARE = np.clip(30.5 - FROM_CENTER, 0, 1)  # a disc of 30 px, with a smooth edge


def mixed(person=PERSON, room=ROOM):
    """A frame with the disc."""
    return (SHARE[..., None] * person + (1 - SHARE[..., None]) * room).round().astype(np.uint8)


def blurred(radius):
    """A mask of a disc of another radius, with an edge as soft as a small network's."""
    disc = (radius > FROM_CENTER).astype(np.float32)
    soft = cv2.GaussianBlur(disc, (0, 0), 1.5)
    return ((soft - np.float32(0.15)) / np.float32(0.7)).clip(0, 1)


def matte(frame, coverage, *, room=ROOM, known=True, height_px=200.0):
    background = np.broadcast_to(np.round(room), frame.shape).astype(np.uint8)
    is_known = np.full(frame.shape[:2], known)
    fields = coverage.astype(np.float32), np.zeros(coverage.shape, np.float32)
    small = cv2.resize(frame, coverage.shape[::-1], interpolation=cv2.INTER_AREA)
    known = {"is_known": is_known, "height_px": height_px}
    return person_matte(frame, background, *fields, small=small, **known)


@pytest.mark.parametrize("radius", [27, 30, 33])
def test_the_edge_is_where_the_frame_has_it_and_not_where_the_mask_ends(radius):
    alpha, colors = matte(mixed(), blurred(radius))
    assert np.abs(alpha / 255 - SHARE).max() < 0.1
    edge = (SHARE > 0.2) & (SHARE < 0.8)
    assert edge.sum() > 40
    assert np.abs(colors[edge] - PERSON).max() < 12
    assert np.abs(mixed()[edge] - PERSON).max() > 60


def test_where_person_and_background_look_alike_the_mask_decides():
    coverage = blurred(30)
    alpha, colors = matte(mixed(room=PERSON + 5), coverage, room=PERSON + 5)
    assert np.abs(alpha / 255 - coverage).max() < 0.05
    assert np.abs(colors.astype(int) - mixed(room=PERSON + 5)).max() <= 5


def test_a_color_is_unlike_the_rooms_from_noise_on():
    """Nothing up to 14 levels, all from 54 on."""
    levels = np.array([[0, 14, 34, 54, 100]], np.uint8)
    frame, room = np.zeros((2, 1, 5, 3), np.uint8)
    frame[..., 0] = levels
    assert unlike_room(frame, room) == pytest.approx(np.array([[0, 0, 0.5, 1, 1]]))


@pytest.mark.parametrize(("radius", "known"), [(33, False), (2, True)])
def test_before_what_was_never_seen_and_where_nothing_is_sure_the_mask_stays(radius, known):
    coverage = blurred(radius)
    alpha, colors = matte(mixed(), coverage, known=known)
    assert np.array_equal(alpha, (255 * coverage).round().astype(np.uint8))
    assert np.array_equal(colors, mixed())


def test_another_color_of_the_person_is_no_mixture():
    """A white collar at the disc's edge, inside the mask."""
    frame = mixed()
    collar = (FROM_CENTER < 29) & (FROM_CENTER > 26) & (Y < 60)
    frame[collar] = 250
    alpha, colors = matte(frame, blurred(31))
    assert alpha[collar].min() == 255
    assert (colors[collar] == 250).all()


def test_the_matte_has_the_size_of_the_frame_when_the_mask_is_coarse():
    coverage = cv2.resize(blurred(30), (SIZE // 3, SIZE // 3), interpolation=cv2.INTER_AREA)
    alpha, _ = matte(mixed(), coverage, height_px=200 / 3)
    assert alpha.shape == (SIZE, SIZE)
    assert np.abs(alpha / 255 - SHARE).mean() < 0.01


def rimmed(cloth, *, is_behind=True):
    """The disc, cut 3 px too wide before cloth, without its rim."""
    frame, cut = mixed(room=cloth), (255 * blurred(33)).astype(np.uint8)
    frame[60, 60 + 27] = cloth  # a grain, which makes no hole
    behind = (cut <= 127) & is_behind
    return frame, cut, *without_rim(frame, cut, behind=behind, rim_px=8.0)


def test_what_is_behind_a_hand_is_no_rim_of_it():
    frame, cut, colors, coverage = rimmed(ROOM)
    assert np.abs(cut / 255 - SHARE).max() > 0.9
    assert np.abs(coverage / 255 - np.minimum(2 * SHARE, 1)).max() < 0.25  # half of it is whole
    edge = (SHARE > 0.2) & (SHARE < 0.4)
    away, was = (np.abs(image[edge] - PERSON).mean() for image in (colors, frame))
    assert away < 0.6 * was
    inside = (SHARE > 0.6) & (SHARE < 0.9)
    np.testing.assert_array_equal(colors[inside], frame[inside])


@pytest.mark.parametrize(("cloth", "is_behind"), [(PERSON + 5, True), (ROOM, False)])
def test_a_hand_keeps_its_edge_before_what_looks_alike_and_before_the_room(cloth, is_behind):
    frame, cut, colors, coverage = rimmed(cloth, is_behind=is_behind)
    assert np.abs(coverage.astype(int) - cut).max() <= 12
    assert np.abs(colors.astype(int) - frame).max() <= 5


def test_colors_tell_an_arm_from_the_shirt_behind_it():
    """Skin, a shirt with a shaded fold beside the arm, and a watch, which is neither."""
    skin, shirt, fold, watch = [225, 190, 170], [200, 40, 60], [140, 20, 35], [20, 20, 25]
    image = np.broadcast_to(np.array(shirt, np.uint8), (40, 60, 3)).copy()
    image[:, 36:40], image[12:28], image[18:22, 45:50] = fold, skin, watch
    image[:12, 36:40], image[12:14, 45:50] = fold, watch
    one, other = np.zeros((2, 40, 60), bool)
    one[18:22, :40], other[:6], other[34:] = True, True, True
    share = share_by_color(image, np.ones_like(one), one=one, other=other)
    assert share[13:27].min() > 0.95
    assert share[[0, 5, 10, 29, 35]].max() < 0.05


@pytest.mark.parametrize("missing", ["one", "other"])
def test_without_a_sure_pixel_colors_tell_nothing(missing):
    everywhere = np.ones(SHARE.shape, bool)
    sure = {"one": SHARE == 1, "other": SHARE == 0, missing: ~everywhere}
    assert (share_by_color(mixed(), everywhere, **sure) == 1).all()


def test_colors_are_compared_where_it_is_asked_for():
    share = share_by_color(mixed(), X < 60, one=SHARE == 1, other=SHARE == 0)
    assert share[60, 5] == 0
    assert (share[:, 62:] == 1).all()


SKIN, CLOTH = [225, 180, 165], [190, 175, 215]
"""Of nearly one brightness: a hand before a lilac shirt."""


def a_hand(*, aside=0):
    """A picture of four fingers, where they are, and pixels near joints that lie so far aside."""
    is_hand = np.zeros((60, 80), bool)
    is_hand[10:30, 20:60] = True
    for x in range(20, 60, 11):
        is_hand[30:50, x : x + 7] = True
    image = np.where(is_hand[..., None], SKIN, CLOTH).astype(np.float32)
    image *= np.linspace(0.75, 1, 80, dtype=np.float32)[:, None]  # shade
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    image = (cv2.GaussianBlur(image, (3, 3), 0) + noise).clip(0, 255).astype(np.uint8)
    joints = np.zeros_like(is_hand)
    joints[14:26, 24 + aside : 56 + aside] = True
    for x in range(22 + aside, 62 + aside, 11):
        joints[26:48, x : x + 3] = True
    near = [cv2.dilate(joints.astype(np.uint8), np.ones((n, n), np.uint8)) > 0 for n in (5, 17)]
    return image, is_hand, {"surely": joints, "probably": near[0], "possibly": near[1]}


@pytest.mark.parametrize("aside", [0, 5])
def test_a_hand_is_cut_out_where_its_joints_lie_beside_it(aside):
    image, is_hand, near = a_hand(aside=aside)
    share = grab_cut(image, **near)
    border = cv2.dilate(is_hand.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert share[inside(is_hand, by_px=2)].mean() > 0.97
    assert share[~border].mean() < 0.02
    assert np.array_equal(grab_cut(image, **near), share)


@pytest.mark.parametrize("missing", ["surely", "beyond", "colors"])
def test_a_hand_of_which_nothing_is_sure_is_cut_by_its_joints_alone(missing):
    image, _, near = a_hand()
    near["surely"][:] &= missing != "surely"
    near["possibly"][:] |= missing == "beyond"
    if missing == "colors":
        image[:] = 128
    assert (grab_cut(image, **near) == 1).all()
