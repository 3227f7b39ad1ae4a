from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.plate.camera import CameraPath, camera_path, seen_from_middle
from motiontransfer.plate.overlays import Overlay
from motiontransfer.plate.scene import face_pixels, light_of_film, skin_color
from motiontransfer.plate.scene_fitting import Before, Dancer, scene_levels
from tests.people import everyone, person, place, room, standing

SIZE = (256, 256)
PLATE, STANDING = room(SIZE), standing(30)
DANCER = Dancer(keypoints=STANDING, people=everyone(STANDING))
TEXT = np.kron(np.random.default_rng(3).integers(0, 2, (5, 10, 1)) * 255, np.ones((4, 4, 3)))
MASK = np.zeros(SIZE, np.uint8)
cv2.fillConvexPoly(MASK, cv2.convexHull(STANDING.points[0].round().astype(np.int32)), 255)
X, Y, WIDTH, HEIGHT = cv2.boundingRect(MASK)


def levels_of(frames, dancer=DANCER, masks=None, **before_them):
    masks = masks or [MASK] * len(frames)
    plates, before = [PLATE] * len(frames), Before(dancer, PLATE)
    return [*scene_levels(frames, masks, plates, dancer, before, **before_them)], before


def with_dancer(plate=PLATE, mask=MASK):
    return np.where(mask[..., None] > 0, np.uint8((200, 40, 40)), plate)


def test_the_dancer_goes_and_what_is_far_from_them_stays():
    frame = with_dancer()
    frame[10:30, 10:40] = (0, 255, 0)  # a screen in the corner
    levels, _ = levels_of([frame] * 30)
    for each in levels:
        assert each[MASK > 0, 0].min() == 255
        assert not each[:40, :60, 0].any()
        assert (each[..., 1] == 255).all()


def test_hair_that_the_mask_leaves_out_goes_too():
    frame, middle = with_dancer(), X + WIDTH // 2
    strand = np.s_[Y - 5 : Y, middle - 3 : middle + 3]
    frame[strand] = (20, 20, 20)
    assert levels_of([frame] * 30)[0][0][*strand, 0].min() > 200


def test_a_shadow_leaves_its_darkening():
    """It is half of the light, on the floor beside the feet."""
    right, bottom = X + WIDTH, Y + HEIGHT
    dark, shadow = PLATE.copy(), np.s_[bottom - 24 : bottom, 128 : right + 40]
    dark[shadow] = (dark[shadow] * 0.6).round()
    removed, light, _ = np.moveaxis(levels_of([with_dancer(dark)] * 30)[0][0], 2, 0)
    inner = np.s_[bottom - 15 : bottom - 9, right + 15 : right + 25]
    assert removed[inner].min() == 255
    bright = PLATE[inner].mean() + 8  # of dark pixels noise would tell more than the shadow
    assert light[inner].mean() == pytest.approx(255 * (0.6 * (bright - 8) + 8) / bright, abs=10)
    assert (light[: Y // 2] == 255).all()


def test_a_caption_at_the_feet_stays_as_long_as_it_is_there():
    right, bottom = X + WIDTH, Y + HEIGHT
    text = np.s_[bottom - 10 : bottom + 10, right - 28 : right + 12]
    frame = with_dancer()
    frame[text] = TEXT
    is_text, is_there = np.zeros(SIZE, bool), np.arange(30) < 20
    is_text[text] = True
    levels, _ = levels_of([frame] * 30, captions=[Overlay(is_text, frame, is_there)])
    beside = is_text & (cv2.dilate(MASK, np.ones((17, 17))) == 0)
    assert not levels[15][beside, 0].any()
    assert levels[25][beside, 0].mean() > 100
    assert not levels[15][..., 2].any()


def test_a_sticker_is_before_the_dancer_where_a_frame_shows_it():
    is_stuck = np.zeros(SIZE, bool)
    is_stuck[120:140, 120:140] = True
    frame = with_dancer()
    stuck = np.where(is_stuck[..., None], np.uint8(255), frame)
    sticker = Overlay(is_stuck, stuck, np.ones(2, bool))
    levels, _ = levels_of([frame, stuck], overlays=[sticker])
    assert not levels[0][..., 2].any()
    np.testing.assert_array_equal(levels[1][..., 2], 255 * is_stuck)


def test_nobody_found_leaves_the_frame_as_it_is():
    levels, _ = levels_of([PLATE] * 3, masks=[0 * MASK] * 3)
    assert not np.any([each[..., 0] for each in levels])


def test_another_person_beside_the_dancer_stays():
    """They are near enough for what differs from the plate to be taken for the dancer's."""
    both = replace(DANCER, people=everyone(STANDING, person([(165.0, 128.0)] * 30)))
    beside = (both.others(0, 100.0) > 0) & (MASK == 0)
    apart = beside & (cv2.dilate(MASK, np.ones((9, 9))) == 0)
    frame = np.where(beside[..., None], np.uint8((40, 40, 200)), with_dancer())
    assert levels_of([frame] * 3)[0][1][apart, 0].max() == 255
    assert not levels_of([frame] * 3, both)[0][1][apart, 0].any()


def test_a_table_before_the_legs_is_told_and_a_body_is_not():
    """The legs are where no mask shows them, and the room is seen there."""
    mask, knee = MASK.copy(), round(place(STANDING, "left_knee")[1])
    mask[knee - 12 :] = 0
    _, before = levels_of([with_dancer(PLATE, mask)] * 30, masks=[mask] * 30)
    found = before.place()
    assert found[knee:].max() == 255
    assert not found[: knee - 14].any()


def test_light_of_a_film_is_how_much_brighter_it_is_beside_the_person():
    removed = np.zeros(SIZE, np.uint8)
    removed[100:150, 100:150] = 255
    frame = PLATE + np.uint8(12)
    frame[110:140, 110:140] = 0
    np.testing.assert_allclose(light_of_film(frame, PLATE, removed), 12, atol=1e-3)


def test_skin_is_measured_between_the_landmarks():
    face = STANDING.points[0, STANDING.skeleton.slice("face")]
    image = np.zeros((*SIZE, 3), np.uint8)
    cv2.fillConvexPoly(image, cv2.convexHull(face.round().astype(int)), (200, 150, 120))
    half_hidden = image.copy()
    half_hidden[int(face[:, 1].mean()) :] //= 8
    expected = cv2.cvtColor(np.uint8([[(200, 150, 120)]]), cv2.COLOR_RGB2LAB)[0, 0]
    for shown in (image, half_hidden):
        np.testing.assert_allclose(skin_color([face_pixels(STANDING, 0, shown)]), expected)
    assert not skin_color([]).any()


def panned(image, path, size=(120, 160)):
    return [image[y : y + size[0], x : x + size[1]] for x, y in path]


@pytest.fixture
def wall():
    """Blocks of any brightness, blurred as by a lens."""
    blocks = np.random.default_rng(1).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    return cv2.GaussianBlur(blocks.repeat(8, axis=0).repeat(8, axis=1), (0, 0), 1)


def test_the_path_of_a_camera_that_pans_puts_each_frame_where_it_was(wall):
    path = [(3 * step, 10 + step) for step in range(30)]
    found = camera_path(panned(wall, path), [np.zeros((120, 160), np.uint8)] * 30)
    assert found.moves
    assert found.is_sure.all()
    corner = np.array([m @ (80, 60, 1) for m in found.maps])
    np.testing.assert_allclose(corner[:, :2] / corner[:, 2:], np.add(path, (80, 50)), atol=0.5)
    assert np.abs(np.subtract(found.size, (149, 247))).max() <= 2
    back = found.to_frame(found.to_room(panned(wall, path)[20], 20), 20, (120, 160))
    np.testing.assert_allclose(back[5:-5, 5:-5], panned(wall, path)[20][5:-5, 5:-5], atol=30)


def test_frames_are_registered_to_the_middle_one_however_far_off_the_path_is(wall):
    """By up to four pixels; what shows another wall, or too little of this one, is not sure."""
    path = [(4 * step, 10) for step in range(20)]
    frames, masks = panned(wall, path), [np.zeros((120, 160), np.uint8)] * 20
    frames[3] = np.ascontiguousarray(frames[3][::-1])
    maps = np.tile(np.eye(3), (20, 1, 1))
    maps[:, :2, 2] = path + np.random.default_rng(0).uniform(-4, 4, (20, 2))
    found = seen_from_middle(CameraPath(maps, (130, 240), np.ones(20, bool)), frames, masks)
    assert found.size == (120, 160)
    assert list(np.flatnonzero(~found.is_sure)) == [3]
    middle = int(np.abs(found.maps - np.eye(3)).sum(axis=(1, 2)).argmin())
    assert 8 <= middle <= 11
    for index in (0, 7, 19):
        expected = np.subtract(path[index], path[middle])
        np.testing.assert_allclose(found.maps[index][:2, 2], expected, atol=0.5)


def test_a_path_to_which_few_frames_can_be_registered_is_that_of_a_camera_that_stands(wall):
    """Of twenty frames four show the same wall."""
    frames, masks = panned(wall, [(0, 0)] * 20), [np.zeros((120, 160), np.uint8)] * 20
    frames[4:] = np.random.default_rng(0).integers(90, 110, (16, 120, 160, 3), np.uint8)
    path = CameraPath(np.tile(np.eye(3), (20, 1, 1)), (120, 160), np.arange(20) < 4)
    found = seen_from_middle(path, frames, masks)
    assert (found.moves, found.size) == (False, (120, 160))
    frames[4:6] = frames[:2]
    assert seen_from_middle(path, frames, masks).moves


def test_someone_who_moves_before_a_wall_moves_no_camera(wall):
    frames, masks = np.array(panned(wall, [(0, 0)] * 30)), np.zeros((30, 120, 160), np.uint8)
    for index in range(30):
        body = np.s_[index, 30:90, 2 * index : 2 * index + 40]
        frames[body] = (200, 0, 0)
        masks[body] = 255
    found = camera_path(frames, list(masks))
    assert not found.moves
    assert found.size == (120, 160)
    assert found.is_sure.all()
    np.testing.assert_array_equal(found.to_frame(frames[3], 3, (120, 160)), frames[3])


def test_a_plain_wall_is_taken_for_a_camera_that_stands():
    plain = np.full((60, 80, 3), 90, np.uint8)
    assert not camera_path([plain] * 5, [0 * plain[..., 0]] * 5).moves
