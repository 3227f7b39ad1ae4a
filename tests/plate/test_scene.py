from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.plate.camera import camera_path
from motiontransfer.plate.overlays import Overlay
from motiontransfer.plate.scene import face_pixels, light_of_film, skin_color
from motiontransfer.plate.scene_fitting import Before, Dancer, scene_levels
from tests.people import everyone, person, room

SIZE = (256, 256)
TEXT = np.kron(np.random.default_rng(3).integers(0, 2, (5, 10, 1)) * 255, np.ones((4, 4, 3)))


@pytest.fixture
def plate():
    return room(SIZE)


@pytest.fixture
def dancer():
    keypoints = person([(128.0, 128.0)] * 30)
    return Dancer(keypoints=keypoints, people=everyone(keypoints))


def mask_of(dancer, index):
    mask = np.zeros(SIZE, np.uint8)
    points = dancer.keypoints.points[index]
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 255)
    return mask


def levels_of(frames, dancer, plate, masks=None, **before_them):
    masks = masks or [mask_of(dancer, index) for index in range(len(frames))]
    before = Before(dancer, plate)
    return [
        *scene_levels(frames, masks, [plate] * len(frames), dancer, before, **before_them)
    ], before


def with_dancer(plate, mask):
    return np.where(mask[..., None] > 0, np.uint8((200, 40, 40)), plate)


def test_the_dancer_goes_and_what_is_far_from_them_stays(dancer, plate):
    mask = mask_of(dancer, 0)
    frame = with_dancer(plate, mask)
    frame[10:30, 10:40] = (0, 255, 0)  # a screen in the corner
    levels, _ = levels_of([frame] * 30, dancer, plate)
    for each in levels:
        assert each[mask > 0, 0].min() == 255
        assert not each[:40, :60, 0].any()
        assert (each[..., 1] == 255).all()


def test_hair_that_the_mask_leaves_out_goes_too(dancer, plate):
    mask = mask_of(dancer, 0)
    frames = [with_dancer(plate, mask) for _ in range(30)]
    x, y, width, _ = cv2.boundingRect(mask)
    strand = np.s_[y - 5 : y, x + width // 2 - 3 : x + width // 2 + 3]
    for frame in frames:
        frame[strand] = (20, 20, 20)
    assert levels_of(frames, dancer, plate)[0][0][*strand, 0].min() > 200


def test_a_shadow_leaves_its_darkening(dancer, plate):
    """It is half of the light, on the floor beside the feet."""
    mask = mask_of(dancer, 0)
    x, y, width, height = cv2.boundingRect(mask)
    shadow = np.s_[y + height - 24 : y + height, 128 : x + width + 40]
    dark = plate.copy()
    dark[shadow] = (dark[shadow] * 0.6).round()
    frame = with_dancer(dark, mask)
    removed, light, _ = np.moveaxis(levels_of([frame] * 30, dancer, plate)[0][0], 2, 0)
    inner = np.s_[y + height - 15 : y + height - 9, x + width + 15 : x + width + 25]
    assert removed[inner].min() == 255
    bright = plate[inner].mean() + 8  # of dark pixels noise would tell more than the shadow
    assert light[inner].mean() == pytest.approx(255 * (0.6 * (bright - 8) + 8) / bright, abs=10)
    assert (light[: y // 2] == 255).all()


def test_a_caption_at_the_feet_stays_as_long_as_it_is_there(dancer, plate):
    mask = mask_of(dancer, 0)
    x, y, width, height = cv2.boundingRect(mask)
    text = np.s_[y + height - 10 : y + height + 10, x + width - 28 : x + width + 12]
    frame = with_dancer(plate, mask)
    frame[text] = TEXT
    place, is_there = np.zeros(SIZE, bool), np.arange(30) < 20
    place[text] = True
    levels, _ = levels_of([frame] * 30, dancer, plate, captions=[Overlay(place, frame, is_there)])
    beside = place & (cv2.dilate(mask, np.ones((17, 17))) == 0)
    assert not levels[15][beside, 0].any()
    assert levels[25][beside, 0].mean() > 100
    assert not levels[15][..., 2].any()


def test_a_sticker_is_before_the_dancer_where_a_frame_shows_it(dancer, plate):
    place = np.zeros(SIZE, bool)
    place[120:140, 120:140] = True
    mask = mask_of(dancer, 0)
    frame = with_dancer(plate, mask)
    stuck = np.where(place[..., None], np.uint8(255), frame)
    sticker = Overlay(place, stuck, np.ones(2, bool))
    levels, _ = levels_of([frame, stuck], dancer, plate, overlays=[sticker])
    assert not levels[0][..., 2].any()
    np.testing.assert_array_equal(levels[1][..., 2], 255 * place)


def test_nobody_found_leaves_the_frame_as_it_is(dancer, plate):
    empty = [np.zeros(SIZE, np.uint8)] * 3
    levels, _ = levels_of([plate] * 3, dancer, plate, empty)
    assert not np.any([each[..., 0] for each in levels])


def test_another_person_beside_the_dancer_stays(dancer, plate):
    """They are near enough for what differs from the plate to be taken for the dancer's."""
    other = person([(165.0, 128.0)] * 30)
    both = replace(dancer, people=everyone(dancer.keypoints, other))
    mask, theirs = mask_of(dancer, 0), both.others(0, 100.0)
    beside = (theirs > 0) & (mask == 0)
    apart = beside & (cv2.dilate(mask, np.ones((9, 9))) == 0)
    frame = np.where(beside[..., None], np.uint8((40, 40, 200)), with_dancer(plate, mask))
    frames = [frame, frame, frame]
    assert levels_of(frames, dancer, plate)[0][1][apart, 0].max() == 255
    assert not levels_of(frames, both, plate)[0][1][apart, 0].any()


def test_a_table_before_the_legs_is_told_and_a_body_is_not(dancer, plate):
    """The legs are where no mask shows them, and the room is seen there."""
    mask = mask_of(dancer, 0)
    knee = round(float(dancer.keypoints.joint("left_knee")[0][0, 1]))
    mask[knee - 12 :] = 0
    frame = with_dancer(plate, mask)
    _, before = levels_of([frame] * 30, dancer, plate, [mask] * 30)
    place = before.place()
    assert place[knee:].max() == 255
    assert not place[: knee - 14].any()


def test_light_of_a_film_is_how_much_brighter_it_is_beside_the_person(plate):
    removed = np.zeros(SIZE, np.uint8)
    removed[100:150, 100:150] = 255
    frame = np.clip(plate.astype(int) + 12, 0, 255).astype(np.uint8)
    frame[110:140, 110:140] = 0
    apart = light_of_film(frame, plate, removed)
    np.testing.assert_allclose(apart, 12, atol=1e-3)


def test_skin_is_measured_between_the_landmarks():
    keypoints = person()
    image = np.zeros((*SIZE, 3), np.uint8)
    cv2.fillConvexPoly(
        image,
        cv2.convexHull(keypoints.points[0, keypoints.skeleton.slice("face")].round().astype(int)),
        (200, 150, 120),
    )
    mask = image.copy()
    middle = int(keypoints.points[0, keypoints.skeleton.slice("face"), 1].mean())
    mask[middle:] //= 8  # what hides the lower half
    expected = cv2.cvtColor(np.uint8([[(200, 150, 120)]]), cv2.COLOR_RGB2LAB)[0, 0]
    for shown in (image, mask):
        np.testing.assert_allclose(skin_color([face_pixels(keypoints, 0, shown)]), expected)
    assert not skin_color([]).any()


def panned(image, path, size=(120, 160)):
    return [image[y : y + size[0], x : x + size[1]] for x, y in path]


@pytest.fixture
def wall():
    """Blocks of any brightness, blurred as by a lens."""
    blocks = np.random.default_rng(1).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    return cv2.GaussianBlur(
        cv2.resize(blocks, (400, 320), interpolation=cv2.INTER_NEAREST), (0, 0), 1
    )


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


def test_someone_who_moves_before_a_wall_moves_no_camera(wall):
    frames = panned(wall, [(0, 0)] * 30)
    masks = []
    for index in range(30):
        frames[index] = frames[index].copy()
        frames[index][30:90, 2 * index : 2 * index + 40] = (200, 0, 0)
        masks.append(np.zeros((120, 160), np.uint8))
        masks[-1][30:90, 2 * index : 2 * index + 40] = 255
    found = camera_path(frames, masks)
    assert not found.moves
    assert found.size == (120, 160)
    assert found.is_sure.all()
    np.testing.assert_array_equal(found.to_frame(frames[3], 3, (120, 160)), frames[3])


def test_a_plain_wall_is_taken_for_a_camera_that_stands():
    found = camera_path(
        [np.full((60, 80, 3), 90, np.uint8)] * 5, [np.zeros((60, 80), np.uint8)] * 5
    )
    assert not found.moves
