"""A photo: its matte, its room, and what it hides of a body."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.inpainting import blended, inpainted
from motiontransfer.plate.shadow import without_shadow
from motiontransfer.puppet.appearance import pack_appearance, unpack_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.closed_form import closed_form_matte
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.fitting import choose_references, fit_appearance, target_appearance
from motiontransfer.puppet.fit.photo import _soft_shadow, photo_background
from motiontransfer.rendering.compositing import draw_puppet
from motiontransfer.video.frame_store import write_frames
from tests.films import training_clip
from tests.people import (
    COLORS,
    HEIGHT_PX,
    NUMBER_OF,
    both_sides,
    dance,
    difference_mask,
    painted,
    picture,
    posed,
    room,
    scaled,
    scene,
)

SKIN, WALL = (200.0, 120.0, 90.0), (40.0, 90.0, 60.0)


def composite(alpha, *, person=SKIN, room=WALL, noise=3.0):
    grain = np.random.default_rng(0).normal(0, noise, (*alpha.shape, 3))
    colors = alpha[..., None] * person + (1 - alpha[..., None]) * room + grain
    return colors.round().clip(0, 255).astype(np.uint8)


def disc(radius, *, size=200, blur=1.5):
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    share = np.clip((radius - np.hypot(x, y)) / blur + 0.5, 0, 1)
    return share.astype(np.float32)


@pytest.mark.parametrize("too_large", [-3, 0, 4])
def test_the_matte_ends_where_the_photo_has_the_edge_and_not_where_the_mask_ends(too_large):
    alpha = disc(60)
    mask = cv2.GaussianBlur(disc(60 + too_large), (0, 0), 2)
    found, colors = closed_form_matte(composite(alpha), mask, height_px=500.0)
    assert np.abs(found - alpha).max() < 0.15
    assert np.abs(found - alpha).mean() < 0.005
    assert np.abs(colors[found > 0.1] - np.array(SKIN)).max() < 35  # the room's are 160 off


def test_a_large_photo_has_the_matte_of_a_small_one(monkeypatch):
    alpha = disc(60)
    photo, mask = composite(alpha), cv2.GaussianBlur(disc(62), (0, 0), 2)
    monkeypatch.setattr("motiontransfer.puppet.fit.closed_form._LARGEST_BAND", 1500)
    found, _ = closed_form_matte(photo, mask, height_px=500.0)
    assert np.abs(found - alpha).mean() < 0.01


def test_a_hair_is_of_the_person_and_the_wall_between_two_is_not():
    """Hairs of 2 px stand on the head by 5 px; the mask ends somewhere among them."""
    alpha = disc(60)
    alpha[36:42, 70:130:6] = alpha[36:42, 71:131:6] = 1
    mask = cv2.GaussianBlur(disc(62), (0, 0), 2)
    found, _ = closed_form_matte(composite(alpha), mask, height_px=500.0)
    assert found[38, 88:112:6].min() > 0.7
    assert found[38, 91:115:6].max() < 0.3


def test_a_photo_of_which_nothing_is_sure_keeps_its_mask():
    mask = np.full((40, 40), 0.4, np.float32)
    found, colors = closed_form_matte(composite(mask), mask, height_px=100.0)
    assert (found == mask).all()
    assert (colors == composite(mask)).all()


def part(colors, coverage, hidden=None):
    hidden = np.zeros_like(coverage) if hidden is None else hidden
    return CutPart(corner=(0, 0), colors=colors, coverage=coverage, hidden=hidden)


def a_leg(*, lighter=0):
    """A leg of stripes across in a wall's color, 20 px wide."""
    y = np.arange(60)[:, None, None]
    colors = np.full((60, 40, 3), 255, np.uint8)
    colors[:, 10:30] = np.where(y % 8 < 4, 60, 120)
    coverage = np.zeros((60, 40), np.uint8)
    coverage[:, 10:30] = 255
    return part(colors + np.uint8(lighter), coverage)


def hidden_leg(columns):
    """The leg, of which a red hand hides a part in these columns."""
    leg, hand = a_leg(), np.zeros((60, 40), np.uint8)
    hand[20:40, columns] = 255
    colors = np.where(hand[..., None], np.uint8((255, 0, 0)), leg.colors)
    return part(colors, np.where(hand, np.uint8(0), leg.coverage), hand)


def off(filled):
    """By how much its colors are off."""
    return np.abs(filled.colors.astype(int) - a_leg().colors)


@pytest.mark.parametrize(("lighter", "at_border", "most"), [(0, 1, 1), (30, 8, 25)])
def test_what_is_hidden_is_as_on_the_other_side_and_nothing_beyond_it_is(lighter, at_border, most):
    """Light falls from the other side; the hand lies beside the leg, too."""
    other = a_leg(lighter=lighter)
    filled = hidden_leg(np.s_[22:38]).completed_from(other, np.eye(2, 3))
    assert (filled.coverage == other.coverage).all()
    assert not filled.hidden.any()
    assert off(filled)[:, 10:30].max() <= most
    assert off(filled)[:, 10:23].max() <= at_border


def test_what_neither_side_shows_goes_on_in_the_texture_of_the_part_alone():
    leg = hidden_leg(np.s_[20:30])
    filled = leg.synthesized(leg.hidden)
    assert (filled.coverage == a_leg().coverage).all()
    assert off(filled)[:, 10:30].max() <= 4


def test_a_part_that_is_made_small_has_no_piece_whose_color_nothing_tells():
    """Of 400 px in height 160 are left: one of them is all of a hidden pixel and the one beside."""
    colors, coverage = np.full((400, 40, 3), 90, np.uint8), np.zeros((400, 40), np.uint8)
    hidden = np.zeros_like(coverage)
    coverage[:100] = coverage[300, 20] = hidden[300, 21] = 255
    filled = part(colors, coverage, hidden).synthesized(hidden)
    assert filled.coverage[300, 21] == 255
    assert np.abs(filled.colors[300, 21].astype(int) - 90).max() <= 1


def test_what_lies_apart_from_all_that_is_shown_stays_hidden():
    hidden = np.zeros((60, 40), np.uint8)
    hidden[5:9, 34:38] = 255
    filled = replace(a_leg(), hidden=hidden).synthesized(hidden)
    assert (filled.coverage == a_leg().coverage).all()
    assert (filled.hidden == hidden).all()


def test_a_flipped_part_is_its_mirror_image():
    leg = hidden_leg(np.s_[10:14])
    flipped = leg.flipped()
    for name in ("coverage", "hidden", "colors"):
        assert (getattr(flipped, name)[:, ::-1] == getattr(leg, name)).all()


def test_pixels_beyond_are_neither_filled_nor_copied():
    wall = np.full((40, 60, 3), 100, np.uint8)
    wall[:, 30:] = 250
    is_hidden, is_beyond = np.zeros((2, 40, 60), bool)
    is_hidden[10:30, 20:30] = is_beyond[:, 30:] = True
    wall[is_hidden] = 0
    found = inpainted(wall, is_hidden, is_beyond=is_beyond)
    assert (found[:, 30:] == 250).all()
    assert np.abs(found[:, :30].astype(int) - 100).max() <= 1
    guide = np.full_like(wall, 90)
    joined = blended(wall, guide, is_hidden, is_beyond=is_beyond)[:, 0].reshape(20, 10)
    assert (np.diff(joined[10]) < 0).all()  # from the border's level towards the guide's
    assert 97 < joined[10, 0] < 100
    assert 90 < joined[10, -1] < 95


def photo_of(folder, *, with_mask):
    """A photo of someone at rest in an even room, stored with its mask or without; the mask."""
    keypoints = dance(1, size=(96, 80))
    photo = picture(keypoints, 0)
    mask = difference_mask(photo, picture(dance(1, size=(96, 80), missing=[0]), 0))
    clip = training_clip(folder, keypoints)
    if with_mask:
        shown = np.where(mask[..., None] > 0, photo, np.uint8(128))
        write_frames(clip.frames, [np.dstack([shown, mask])], frame_rate=keypoints.frame_rate)
    return clip, photo, mask > 0


@pytest.mark.parametrize("with_mask", [False, True])
def test_the_room_shows_nothing_of_the_person_who_is_kept_apart(tmp_path, with_mask):
    clip, photo, is_person = photo_of(tmp_path, with_mask=with_mask)
    with FullSizeFrames([clip]) as frames:
        room = photo_background(frames)
        matted = frames[0, 0]
    assert room.of_photo
    assert room.is_filled[is_person].all()
    assert not room.is_filled.all()
    usual = room.image[~room.is_filled].astype(int)
    assert (room.image >= usual.min(axis=0) - 3).all()
    assert (room.image <= usual.max(axis=0) + 3).all()
    alpha, inner = matted[..., 3], cv2.erode(is_person.astype(np.uint8), np.ones((3, 3))) > 0
    assert alpha[inner].min() > 200
    assert np.abs(matted[inner][:, :3].astype(int) - photo[inner]).max() < 30
    if with_mask:
        assert ((alpha > 127) == is_person).all()


def appearance_in(frames, room):
    return target_appearance(frames, room, choose_references(frames, count=3), num_workers=1)


def test_parts_of_a_photo_are_cut_by_its_matte(tmp_path):
    clip, _, _ = photo_of(tmp_path, with_mask=False)
    with FullSizeFrames([clip]) as frames:
        appearance = appearance_in(frames, photo_background(frames))
        alpha = frames[0, 0][..., 3]
    assert appearance.frames.tolist() == [[0, 0]]
    torso = appearance.patches[0][[part.name for part in appearance.parts].index("torso")]
    (x, y), (height, width) = torso.corner, torso.size
    beyond = alpha[y : y + height, x : x + width] == 0
    assert not torso.pixels[..., 3][beyond].any()
    assert torso.pixels[..., 3].any()


def doll(keypoints, frame, *, of_photo=True):
    """How the doll looks in one photo, or in a film of one frame."""
    empty = room(frame.shape[:2])
    mask = difference_mask(frame, empty)
    matted = np.dstack([frame, mask]) if of_photo else frame
    return fit_appearance(
        [keypoints],
        [matted.copy],
        {(0, 0): mask},
        background=scene(empty)._replace(of_photo=of_photo),
        height_px=float(HEIGHT_PX),
    )


def thigh_of(appearance):
    """RGB and coverage of the left thigh around its middle."""
    patch = appearance.patches[0][NUMBER_OF["left_thigh"]]
    x, y = np.subtract(THIGH, patch.corner)
    return patch.pixels[y - 2 : y + 3, x - 2 : x + 3].astype(int)


THIGH = (142, 147)
"""x, y in the middle of the left thigh, for someone whose hips are at 128, 128."""


def test_a_thigh_behind_a_hand_is_as_the_other_one():
    hanging = posed(left_wrist=(14, 19), left_elbow=(22, -10))
    frame, _ = painted(hanging)
    shown = thigh_of(doll(hanging, frame))
    assert (shown[..., 3] > 200).all()
    color, of_room = shown[..., :3].mean(axis=(0, 1)), room(frame.shape[:2])[147, 142]
    right, *others = (COLORS[NUMBER_OF[name]] for name in ("right_thigh", "left_hand", "torso"))
    assert np.linalg.norm(color - right) < 45  # its light is that of the left one
    assert min(np.linalg.norm(color - other) for other in (*others, of_room)) > 90
    assert thigh_of(doll(hanging, frame, of_photo=False))[..., 3].max() < 50


@pytest.mark.parametrize(("of_photo", "reached"), [(False, 158), (True, 167)])
def test_a_wide_dress_hangs_at_the_legs_of_a_photo(of_photo, reached):
    """It goes on to x = 180 at its hem; a thigh of a film has 17 px of it."""
    arms_up = posed(**both_sides({"elbow": (40, -50), "wrist": (60, -70)}))
    frame, _ = painted(arms_up)
    wide = np.array([(112, 128), (144, 128), (180, 165), (76, 165)], np.int32)
    cv2.fillConvexPoly(frame, wide, (230, 20, 40))
    appearance = doll(arms_up, frame, of_photo=of_photo)
    names = [part.name for part in appearance.parts]
    thigh = appearance.patches[0][names.index("left_thigh")]
    columns = thigh.corner[0] + np.flatnonzero((thigh.pixels[..., 3] > 100).any(axis=0))
    assert abs(columns.max() - reached) <= 1


def shaded_room(*, shadow=0.6, boxes=False, grain=0.0):
    """Someone 90 px tall before a wall that darkens downward, with a soft shadow at the left.

    Args:
        grain: deviation of the photo's pixels, levels.
    """
    height, width = 144, 160
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wall = (220 - 0.5 * y)[..., None] * (1.0, 0.95, 0.9)
    if boxes:
        wall[(x // 12 % 2) == 0] *= 0.7
    depth = (1 - shadow) * np.exp(-((((x - 72) / 8) ** 2 + ((y - 72) / 26) ** 2) ** 2))
    is_person = (np.abs(x - 80) < 6) & (np.abs(y - 72) < 45)
    photo = np.where(is_person[..., None], (200, 30, 40), wall * (1 - depth)[..., None])
    photo += np.random.default_rng(0).normal(0, grain, (height, width, 1))
    return photo.round().astype(np.uint8), wall, is_person


def test_a_soft_shadow_on_an_even_wall_is_taken_away():
    photo, wall, is_person = shaded_room(grain=0.3)
    light = _soft_shadow(photo, is_person, height_px=90.0)
    lit = without_shadow(photo, light).astype(float)
    beside = ~cv2.dilate(is_person.astype(np.uint8), np.ones((7, 7))).astype(bool)
    assert np.abs(photo - wall)[beside].max() > 50
    assert np.abs(lit - wall)[beside].max() < 16
    assert np.abs(lit - wall)[beside].mean() < 1


@pytest.mark.parametrize(
    "how", [{"shadow": 1.0}, {"shadow": 0.97}, {"boxes": True}, {"grain": 2.0}]
)
def test_no_shadow_is_told_of_where_there_is_none_or_the_room_is_not_even(how):
    photo, _, is_person = shaded_room(**how)
    assert _soft_shadow(photo, is_person, height_px=90.0) is None


def test_the_shadow_is_where_the_person_is(tmp_path):
    """In a frame twice as large as the photo, moved with the trunk."""
    clip, _, _ = photo_of(tmp_path, with_mask=False)
    light = np.full((24, 20, 3), 255, np.uint8)
    light[9:15, 7:13] = (51, 102, 204)
    with FullSizeFrames([clip]) as frames:
        appearance = appearance_in(frames, photo_background(frames)._replace(shadow=light))
    appearance = unpack_appearance(*pack_appearance(appearance))
    wall = np.full((192, 160, 3), 200, np.uint8)
    cast = Puppet(appearance).follow(clip.keypoints).room(0, wall)
    assert cast[96, 80].tolist() == [40, 80, 160]
    assert (cast[:40] == 200).all()
    moved = Puppet(appearance).follow(scaled(clip.keypoints, shift=(12, -8)))
    there = moved.room(0, wall)
    assert (there[10:100, 50:150] == cast[26:116, 26:126]).all()
    plain = Puppet(replace(appearance, shadow=None)).follow(clip.keypoints)
    assert plain.room(0, wall) is wall
    drawn = draw_puppet(moved, 0, clip.keypoints.image_size, wall)
    assert (drawn[..., :3][drawn[..., 3] == 0] == there[drawn[..., 3] == 0]).all()
