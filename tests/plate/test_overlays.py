from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses
from motiontransfer.plate.background import median_background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.overlays import behind_overlays, find_captions, find_overlays
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.appearance_file import read_appearance, write_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.fitting import choose_references, target_appearance
from tests.films import mask_film, training_clip
from tests.people import difference_mask, moved, room, standing

PLACE = np.s_[112:144, 108:148]
STICKER = np.kron(np.random.default_rng(3).integers(0, 2, (8, 10, 1)) * 255, np.ones((4, 4, 3)))
NUM_FRAMES = 75
CORNERS = (("left", "shoulder"), ("right", "shoulder"), ("right", "hip"), ("left", "hip"))


def swaying(num_frames=NUM_FRAMES):
    """Half a step to each side, every 1.2 s."""
    shift = 12 * np.sin(np.arange(num_frames) / 30 * 2 * np.pi)
    shifts = {index: (x, 0) for index, x in enumerate(shift.tolist())}
    return moved(standing(num_frames), "body", shifts)


def doll(keypoints, index):
    """Someone in flat colors."""
    frame = room(keypoints.image_size)
    if not keypoints.score[index].any():
        return frame
    points = keypoints.points[index].round().astype(int)
    at = dict(zip(HOLISTIC.joints, points, strict=True))
    corners = [at[f"{side}_{name}"] for side, name in CORNERS]
    cv2.fillConvexPoly(frame, np.array(corners), (180, 60, 70))
    for side in ("left", "right"):
        for limb in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")):
            line = np.array([at[f"{side}_{joint}"] for joint in limb])
            cv2.polylines(frame, [line], isClosed=False, color=(60, 70, 160), thickness=12)
    cv2.circle(frame, at["nose"].tolist(), 16, (200, 170, 150), -1)
    return frame


WEAVE = np.random.default_rng(4).integers(-7, 8, (256, 256, 1))


def in_dark_cloth(keypoints, index):
    """Someone whose top has a weave that changes colors by less than noise, and moves along."""
    frame = doll(keypoints, index).astype(int)
    top = (frame == (180, 60, 70)).all(axis=2, keepdims=True)
    shift = round(float(keypoints.points[index, 0, 0]) - 128)
    return (frame + top * np.roll(WEAVE, shift, axis=1)).astype(np.uint8)


def draws(num_shown, *, on_body=False):
    """Someone, and a sticker before them in the first frames, at its place or where they are."""

    def draw(keypoints, index):
        frame = doll(keypoints, index)
        if index < num_shown:
            x = round(float(keypoints.points[index, 0, 0]) - 128) if on_body else 0
            rows, columns = PLACE
            frame[rows, columns.start + x : columns.stop + x] = STICKER
        return frame

    return draw


def overlays_in(keypoints, draw):
    frames = [draw(keypoints, index) for index in range(keypoints.num_frames)]
    poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
    return find_overlays(frames, poses, frame_rate=25.0, height_px=150.0)


@pytest.mark.parametrize(
    ("num_shown", "num_frames", "stays"), [(75, 75, True), (62, 75, True), (62, 130, False)]
)
def test_what_keeps_its_place_before_someone_who_moves_is_an_overlay(num_shown, num_frames, stays):
    (overlay,) = overlays_in(swaying(num_frames), draws(num_shown))
    place = np.zeros((256, 256), bool)
    place[PLACE] = True
    assert (overlay.place & place).sum() > 0.85 * place.sum()  # nobody passes behind the rest
    beside = cv2.dilate(place.astype(np.uint8), np.ones((9, 9))) > 0
    assert not (overlay.place & ~beside).any()
    assert overlay.is_there.sum() == num_shown
    assert overlay.stays == stays
    apart = np.abs(overlay.colors[PLACE].astype(int) - STICKER)
    assert np.quantile(apart[overlay.place[PLACE]], 0.99) <= 2


def test_a_print_on_clothes_and_what_is_before_planted_feet_are_none():
    assert not overlays_in(swaying(), draws(NUM_FRAMES, on_body=True))
    assert not overlays_in(standing(NUM_FRAMES), draws(NUM_FRAMES))
    assert not overlays_in(swaying(), draws(20))  # for less than two windows
    assert not overlays_in(swaying(), in_dark_cloth)


def test_what_returns_to_its_place_oftener_than_it_stays_there_is_none():
    def draw(keypoints, index):  # it stays in 4 windows of 15, whose middles all show it
        return draws(200 if index < 62 or index % 12 == 0 else 0)(keypoints, index)

    assert not overlays_in(swaying(200), draw)


LINE = np.s_[172:200, 60:200]  # before the feet of someone who stands, and on both sides of them
LETTERS = np.kron(np.random.default_rng(5).integers(0, 2, (3, 7, 35, 1)) * 255, np.ones((4, 4, 3)))


def captions_in(number_of, *, place=LINE, frame_rate=25.0):
    """Captions over samples that each show the letters of a number; None: none."""
    keypoints, frames, masks = replace(standing(75), frame_rate=Fraction(frame_rate)), [], {}
    for index in range(75):
        frame = doll(keypoints, index)
        masks[index] = difference_mask(frame, room())
        if (number := number_of(index)) is not None:
            frame[place] = LETTERS[number][: frame[place].shape[0], : frame[place].shape[1]]
        frames.append(frame)
    return find_captions(frames, masks, keypoints)


def test_captions_that_change_are_told_before_planted_feet_too():
    of_most = captions_in(lambda index: int(index >= 30), frame_rate=19.1)
    assert [one.stays for one in of_most] == [False, False]  # though one is there in most samples
    captions = captions_in(lambda index: (index >= 20) + (index >= 50))
    found = [np.flatnonzero(one.is_there)[[0, -1]].tolist() for one in captions]
    assert found == [[0, 19], [20, 49], [50, 74]]
    for caption, numbers in zip(captions, ((0, 1), (0, 1, 2), (1, 2)), strict=True):
        assert not caption.stays
        differs = np.ptp(LETTERS[list(numbers)], axis=0).max(axis=2) > 0
        assert caption.place[LINE][differs].all()
        caption.place[166:206, 56:204] = False
        assert not caption.place.any()


@pytest.mark.parametrize(
    ("number_of", "how"),
    [
        (lambda _: 0, {}),  # for all of the time
        (lambda index: 0 if 30 <= index < 40 else None, {}),  # for .4 s
        (lambda index: index // 5 % 3, {}),
        (lambda index: int(index >= 30), {"place": np.s_[80:108, 112:144]}),  # before the body
        (lambda index: int(index >= 30), {"frame_rate": 18.9}),  # too few samples
    ],
)
def test_what_does_not_change_or_rests_for_a_moment_is_no_caption(number_of, how):
    assert not captions_in(number_of, **how)


def test_another_scene_is_no_caption():
    frames = [cv2.add(room(), np.full_like(room(), 60 * (index >= 30))) for index in range(75)]
    nobody = dict.fromkeys(range(75), np.zeros((256, 256), np.uint8))
    assert not find_captions(frames, nobody, standing(75))


@pytest.mark.parametrize(("bottom", "count"), [(110, 2), (240, 0)])
def test_a_room_that_changes_from_top_to_bottom_has_no_captions(bottom, count):
    """As light on leaves does: in two rows of one picture, which lie near or far apart."""
    frames = []
    for letters in LETTERS[(np.arange(75) >= 30).astype(int)]:
        frames.append(room())
        for top in (20, bottom - 28):
            frames[-1][top : top + 28, 60:200] = letters
    nobody = dict.fromkeys(range(75), np.zeros((256, 256), np.uint8))
    assert len(find_captions(frames, nobody, standing(75))) == count


def test_captions_are_told_in_all_frames_of_a_film_of_which_few_are_samples(tmp_path):
    def draw(keypoints, index):
        frame = doll(keypoints, index)
        frame[LINE] = LETTERS[int(index >= 30)]
        return frame

    clip = training_clip(tmp_path, standing(NUM_FRAMES), draw=draw)
    mask_film(clip.keypoints_file, clip.keypoints, draw=doll)
    with FullSizeFrames([clip]) as frames:
        captions = median_background(frames, num_frames=15).overlays
    there = [caption.is_there.tolist() for caption in captions]
    assert there == [[True] * 6 + [False] * 9, [False] * 6 + [True] * 9]
    differs = (LETTERS[0] != LETTERS[1]).any(axis=2)
    for caption, letters in zip(captions, LETTERS, strict=False):
        assert caption.place[LINE][differs].all()
        assert (caption.colors[LINE][differs] == letters[differs]).all()


def test_a_mask_goes_on_behind_an_overlay():
    (overlay,) = overlays_in(swaying(), draws(NUM_FRAMES))
    mask = np.zeros((256, 256), np.uint8)
    mask[:, :128] = 200
    seen = np.where(overlay.place, 0, mask).astype(np.uint8)
    filled = behind_overlays([overlay], draws(NUM_FRAMES)(swaying(), 0), seen)
    assert np.mean(filled == mask) > 0.995
    assert behind_overlays([overlay], room((256, 256)), seen) is seen


@pytest.mark.parametrize(("num_frames", "stays"), [(75, True), (130, False)])
def test_no_part_carries_an_overlay_along_and_one_that_stays_is_before_all(
    tmp_path, num_frames, stays
):
    keypoints, num_shown = swaying(num_frames), 62
    clip = training_clip(tmp_path, keypoints, draw=draws(num_shown))
    with FullSizeFrames([clip]) as frames:
        references = choose_references(frames, count=10)
        appearance = target_appearance(frames, median_background(frames), references, num_workers=1)
    write_appearance(tmp_path / "appearance", appearance)
    appearance = read_appearance(tmp_path / "appearance")
    has_sticker = np.abs(appearance.background[PLACE].astype(int) - STICKER).max(axis=2) < 9
    assert has_sticker.mean() > 0.85 if stays else has_sticker.mean() < 0.1
    aside = replace(keypoints, points=keypoints.points + np.float32((0, 60))).part(range(1))
    for pose in (aside, keypoints.part(range(1))):
        texture = Puppet(appearance).follow(pose).draw(0, box=(0, 0, 256, 256))
        color, coverage = texture[..., :3].astype(int), texture[..., 3]
        is_extreme = (coverage > 200) & ((color.min(axis=2) > 240) | (color.max(axis=2) < 15))
        within = np.zeros((256, 256), bool)
        within[110:146, 106:150] = stays
        assert (is_extreme & ~within).sum() < 20
        if stays and pose is not aside:
            covered = (coverage[PLACE] > 200).sum()  # beside it the room shows the sticker
            assert is_extreme[PLACE].sum() > 0.9 * covered
            assert covered > 500
