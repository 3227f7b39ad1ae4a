"""The film to follow and the sheet of poses."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from motiontransfer.filming.key_poses import KeyPoses
from motiontransfer.rendering.guide import GuidePlan, write_guide, write_guide_sheet
from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import FrameStore
from tests.films import add_source, film
from tests.people import dance, from_behind, joined, standing

RATE = Fraction(4)


def half_white(keypoints, _):
    height, width = keypoints.image_size
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = 255
    return image


def guide_of(keypoints, filmed=(), frames=(2, 0), coverage=(0.0, 0.6, 0.8)):
    return GuidePlan.of(
        keypoints, filmed, KeyPoses(frames=frames, coverage=coverage, of_regions={}, nearest=())
    )


@pytest.fixture
def waltz(tmp_path):
    keypoints = replace(dance(8), frame_rate=RATE)
    add_source(tmp_path, "ben", "waltz", keypoints)
    return keypoints, read_clip(tmp_path / "frames/ben/waltz")


def test_a_turn_is_asked_for_where_the_dance_turns_and_no_film_does():
    turning = joined(standing(20), from_behind(standing(20)))
    assert guide_of(turning).turns
    assert guide_of(turning, [standing(20)]).turns
    assert not guide_of(turning, [standing(5), turning]).turns
    assert not guide_of(standing(40)).turns


def test_of_a_long_dance_the_minute_with_the_poses_that_add_most_is_danced_along():
    long = replace(standing(100), frame_rate=Fraction(1))
    guide = guide_of(long, frames=(95, 3), coverage=(0.0, 0.7, 0.8))
    assert len(guide.dance) == 60
    assert 95 in guide.dance
    assert 3 not in guide.dance
    assert guide.poses == [3, 95]
    assert guide_of(long.part(range(50))).dance == range(50)


def test_the_scenes_take_the_dance_at_half_speed_then_each_pose_in_its_order():
    guide = guide_of(replace(standing(6), frame_rate=RATE))
    stand, along, first, second = guide.scenes(RATE)
    assert stand.shown == [None] * 16
    assert along.shown == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert (first.shown, first.following) == ([0] * 11, 2)  # .75 s and 2 s
    assert (second.shown, second.following) == ([2] * 11, None)
    assert "Pose 2 of 2" in second.caption


def test_the_film_has_all_scenes_the_slowed_sound_and_a_tone_after_each_pose(waltz, tmp_path):
    keypoints, clip = waltz
    path = tmp_path / "guide.mp4"
    write_guide(path, guide_of(keypoints), keypoints, clip)
    with FrameStore(path) as film:
        assert len(film) == 16 + 16 + 11 + 11
    with av.open(path) as file:
        frames = list(file.decode(audio=0))
    rate = frames[0].sample_rate
    sound = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in frames])
    assert len(sound) / rate == pytest.approx(54 / 4, abs=0.1)

    def loudness(start, seconds):
        part = sound[round(start * rate) : round((start + seconds) * rate)]
        return np.sqrt(np.square(part).mean())

    assert loudness(1.0, 2.0) < 0.001  # nothing is said while one stands still
    assert loudness(4.5, 3.0) > 0.01  # the dance, from 4 s to 8 s
    for end in (8 + 2.75, 8 + 5.5):
        assert loudness(end - 0.12, 0.09) > 10 * loudness(end - 0.6, 0.3)


def test_left_is_left_on_the_screen(waltz, tmp_path):
    """What the camera saw on the left is on the right, of the film and of the figure."""
    keypoints, clip = waltz
    film(clip.frames, keypoints, draw=half_white)
    path = tmp_path / "poses.png"
    write_guide_sheet(path, guide_of(keypoints, frames=(4,), coverage=(0.0, 0.5)), keypoints, clip)
    page = np.asarray(Image.open(path)).astype(int).sum(axis=2)
    cell = page[page.shape[0] // 2, :400]
    shown, drawn = cell[: 400 // 2 - 8], cell[400 // 2 + 8 :]
    assert shown[-20] > 700 > 100 > shown[20]
    assert drawn.max() > 0


def test_a_film_that_shows_all_poses_is_told_so(waltz, tmp_path):
    keypoints, clip = waltz
    path = tmp_path / "poses.png"
    guide = guide_of(keypoints, frames=(), coverage=(0.9,))
    write_guide_sheet(path, guide, keypoints, clip)
    assert np.asarray(Image.open(path)).max() > 200
    assert len(guide.scenes(RATE)) == 2
