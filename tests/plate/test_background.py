from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.plate.background import median_background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.masks import read_masks
from motiontransfer.plate.shadow import is_shadow
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize
from tests.films import mask_film, training_clip
from tests.people import RATE, dance, picture, room

ROOM = picture(dance(1, missing=[0]), 0)


def background_of(clips):
    with FullSizeFrames(clips) as frames:
        return median_background(frames)


def image_of(clips):
    return background_of(clips).image.astype(int)


def person(keypoints, index):
    """The room, and before it someone in red with legs apart: what a rectangle does not have."""
    frame = ROOM.copy()
    if not keypoints.score[index].any():
        return frame
    corners = dict(zip(keypoints.skeleton.joints, keypoints.points[index], strict=True))
    shapes = [
        ("left_shoulder", "right_shoulder", "right_hip", "left_hip"),
        ("left_ear", "left_eye", "right_eye", "right_ear", "nose"),
    ]
    for limb in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
        shapes += [[f"{side}_{joint}" for joint in limb] for side in ("left", "right")]
    for joints in shapes:
        points = np.array([corners[joint] for joint in joints]).round().astype(np.int32)
        cv2.polylines(frame, [points], isClosed=True, color=(200, 30, 40))
        cv2.fillPoly(frame, [points], (200, 30, 40))
    return frame


def clip_of_person(folder, keypoints):
    return training_clip(folder, keypoints, draw=person)


def dance_after_standing(num_standing, num_frames, *, start_x):
    """Someone who does not move in the first frames."""
    keypoints = dance(num_frames, start_x=start_x)
    keypoints.points[:num_standing] = keypoints.points[0]
    return keypoints


def test_a_walking_person_is_removed_and_only_training_frames_are_read(tmp_path):
    """Most frames are held out, and white."""
    keypoints = dance(50, start_x=2)
    clip = training_clip(tmp_path, keypoints, training_frames=range(24))
    training = [picture(keypoints, index) for index in range(24)]
    write_frames(clip.frames, [*training, *[np.full_like(ROOM, 255)] * 26], frame_rate=RATE)
    assert np.abs(image_of([clip]) - ROOM).max() <= 4


def test_a_mostly_standing_person_is_removed(tmp_path):
    """Fourteen frames in one place, ten in others: a plain median would show the person there."""
    keypoints = dance_after_standing(14, 24, start_x=10)
    image = image_of([clip_of_person(tmp_path, keypoints)])
    assert np.abs(image - ROOM).max() <= 1


FLOOR = np.s_[-8:, :12]


@pytest.mark.parametrize(
    ("change", "num_changed", "is_removed"),
    [
        pytest.param(0.6, 16, True, id="shadow"),
        pytest.param(0.6, 20, False, id="lit in a sixth of the frames"),
        pytest.param(0.95, 16, False, id="changing light"),
        pytest.param((0.9, 0.6, 0.6), 16, False, id="another color"),
        pytest.param(0.2, 16, False, id="darker than a shadow"),
        pytest.param(1.3, 4, False, id="something bright for a while"),
    ],
)
def test_a_shadow_that_mostly_lies_there_is_removed(tmp_path, change, num_changed, is_removed):
    """On the floor beside a person, in so many of 24 frames."""
    clip = training_clip(tmp_path, dance_after_standing(24, 24, start_x=40))
    changed = ROOM.copy()
    changed[FLOOR] = (ROOM[FLOOR] * np.array(change)).clip(0, 255)
    frames = [changed] * num_changed + [ROOM] * (24 - num_changed)
    write_frames(clip.frames, frames, frame_rate=RATE)
    expected = ROOM if is_removed or num_changed < 12 else changed
    assert np.abs(image_of([clip])[FLOOR] - expected[FLOOR]).max() <= 2


def test_no_border_of_the_persons_places_shows_where_exposure_changes(tmp_path):
    """They stand on the left while the wall has 100 levels, then on the right while it has 110.

    The median has a step of ten levels around their first place. In no frame do neighbors differ,
    and from fusion's reach of four pixels follows a step of 1.2 levels.
    """
    keypoints = dance(20, size=(200, 120), start_x=20)
    keypoints.points[:] = keypoints.points[0]
    keypoints.points[10:, :, 0] += 70
    clip = training_clip(tmp_path, keypoints)
    walls = np.repeat(np.uint8([100, 110]), 10)[:, None, None]
    gray = np.where(read_masks(clip.masks_file).masks > 0, np.uint8(20), walls)
    write_frames(clip.frames, gray[..., None].repeat(3, axis=3), frame_rate=RATE)
    image = image_of([clip])
    assert image[..., 0].max() > 105
    assert np.abs(np.diff(image, axis=1)).max() <= 2


def test_the_room_of_a_camera_that_pans_is_sharp_and_each_frame_has_its_view_of_it(tmp_path):
    """Someone walks before a wall of blocks, filmed by a camera that turns and comes back."""
    blocks = np.random.default_rng(1).integers(30, 230, (40, 50, 3)).astype(np.uint8)
    wall = cv2.GaussianBlur(blocks.repeat(8, axis=0).repeat(8, axis=1), (0, 0), 1)
    clip = training_clip(tmp_path, dance(30, size=(160, 160), start_x=20))
    masks = read_masks(clip.masks_file).masks
    left = [3 * min(index, 30 - index) for index in range(30)]
    views = np.array([wall[20:180, 20 + x : 180 + x] for x in left])
    write_frames(clip.frames, np.where(masks[..., None] > 0, np.uint8(20), views), frame_rate=RATE)
    found = background_of([clip])
    for index in (0, 15, 29):
        seen = found.seen_by(found.views[0, index])
        known = ~(cv2.dilate(seen.is_filled.astype(np.uint8), np.ones((5, 5))) > 0)
        assert known.mean() > 0.6
        off = np.abs(seen.image.astype(int) - views[index])[known]
        assert off.mean() < 4
    beside = found.seen_by(np.array([[1, 0, 80], [0, 1, 0], [0, 0, 1.0]]))
    assert beside.is_filled[:, 82:].all()


def redness(image):
    """Redness of the reddest pixel: the room is gray, the person red."""
    return np.abs(image[..., 0] - image[..., 2]).max()


def test_pixels_that_are_never_uncovered_are_inpainted_and_marked(tmp_path):
    """Who walks away after a while uncovers all of them."""
    keypoints = dance_after_standing(14, 30, start_x=10)
    clip = clip_of_person(tmp_path, keypoints)
    assert not background_of([clip]).is_filled.any()
    background = background_of([replace(clip, training=range(14))])
    is_person = np.any(person(keypoints, 0) != ROOM, axis=2)
    assert background.is_filled[is_person].all()
    assert background.is_filled.mean() < 4 * is_person.mean()
    image = background.image.astype(int)
    assert redness(image) < 20
    assert np.abs(image - ROOM).max() < 40


def test_pixels_beside_the_person_are_not_inpainted(tmp_path):
    """Who stands all the time with legs apart: the floor between the feet is in every frame."""
    keypoints = dance_after_standing(20, 20, start_x=16)
    for side, out in (("left", 5), ("right", -5)):
        keypoints.points[:, keypoints.skeleton.index(f"{side}_ankle"), 0] += out
    clip = clip_of_person(tmp_path, keypoints)
    x = round(float(keypoints.joint("nose")[0][0, 0]))
    bottom = round(float(keypoints.joint("left_ankle")[0][0, 1]))
    between = (slice(bottom - 2, bottom + 1), slice(x - 2, x + 3))
    frame = person(keypoints, 0)
    frame[between] = (20, 200, 220)  # a thing that nobody could guess
    write_frames(clip.frames, [frame] * 20, frame_rate=RATE)
    assert np.abs(image_of([clip])[between] - (20, 200, 220)).max() <= 1


def test_a_rim_that_masks_leave_out_is_inpainted(tmp_path):
    """Two red pixels around someone four times as large who never moves."""
    keypoints = dance_after_standing(20, 20, start_x=16)
    keypoints = replace(keypoints, points=4 * keypoints.points, image_size=(160, 192))
    clip = training_clip(tmp_path, keypoints)
    mask = read_masks(clip.masks_file).masks[0]
    frame = np.full((160, 192, 3), 120, np.uint8)
    frame[cv2.dilate((mask > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0] = (200, 30, 40)
    write_frames(clip.frames, [frame] * 20, frame_rate=RATE)
    assert redness(image_of([clip])) < 20


def test_a_frame_or_two_in_which_the_mask_is_wrong_do_not_count(tmp_path):
    """Of forty frames; the person is there, and the mask says that they are elsewhere."""
    keypoints = dance_after_standing(40, 40, start_x=16)
    clip = clip_of_person(tmp_path, keypoints)
    keypoints.points[7] = keypoints.points[7] + np.array([60, 0])
    mask_film(clip.keypoints_file, keypoints, draw=person)
    assert redness(image_of([clip])) < 20


@pytest.mark.parametrize(("brighter", "is_removed"), [(100, True), (30, False)])
def test_a_speck_of_another_color_at_the_edge_of_the_person_is_not_background(
    tmp_path, brighter, is_removed
):
    """As where no mask shows a strap round a leg; what is much like the room stays."""
    keypoints = dance_after_standing(20, 20, start_x=16)
    clip = clip_of_person(tmp_path, keypoints)
    x, y = np.argwhere(read_masks(clip.masks_file).masks[0].T)[0] - (1, 0)
    frame = person(keypoints, 0)
    frame[y, x] = ROOM[y, x] + brighter
    write_frames(clip.frames, [frame] * 20, frame_rate=RATE)
    background = background_of([clip])
    assert background.is_filled[y, x] == is_removed
    assert np.abs(background.image[y, x] - ROOM[y, x].astype(int)).max() < 40


def test_a_frame_without_a_mask_is_not_read(tmp_path):
    """Nobody was found in half of the frames, which are white."""
    keypoints = dance(24, start_x=2, missing=range(12, 24))
    clip = clip_of_person(tmp_path, keypoints)
    shown = [person(keypoints, index) for index in range(12)] + [np.full_like(ROOM, 255)] * 12
    write_frames(clip.frames, shown, frame_rate=RATE)
    assert np.abs(image_of([clip]) - ROOM).max() <= 4


def test_a_shadow_is_the_room_darkened_and_not_something_colored():
    background = room().astype(np.float32) + 30
    for factor, expected in ((0.6, 1), (0.8, 1), (0.05, 0), (1.3, 0)):
        darkened = (factor * background).round().astype(np.uint8)
        assert is_shadow(darkened, background.astype(np.uint8)).mean() == expected
    colored = (background * (0.9, 0.5, 0.7)).astype(np.uint8)
    assert not is_shadow(colored, background.astype(np.uint8)).any()


def test_a_kept_frame_is_decoded_once(tmp_path, monkeypatch):
    """It has the size of the largest clip, and the order in which it was asked for."""
    large, small = dance(5, size=(48, 40)), dance(9, size=(24, 20))
    clips = [training_clip(tmp_path / "large", large), training_clip(tmp_path / "small", small)]
    with FullSizeFrames(clips) as frames:
        decoded = frames[1, 6]
        assert np.array_equal(decoded, resize(picture(small, 6), (48, 40)))
        read = [*frames.read([(0, 2), (1, 5), (1, 6)])]
        monkeypatch.setattr(FrameStore, "__getitem__", None)
        assert np.array_equal(read[2], decoded)
        assert np.array_equal(frames[0, 2], picture(large, 2))
        assert np.array_equal(frames[1, 5], resize(picture(small, 5), (48, 40)))
        assert [len(frames.kept[index][:]) for index in range(3)] == [48] * 3
