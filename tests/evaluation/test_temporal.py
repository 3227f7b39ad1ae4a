import numpy as np
import pytest

from motiontransfer.evaluation.regions import Regions
from motiontransfer.evaluation.temporal import background_flicker, frame_change


def _persons(*boxes):
    found = np.array([box is not None for box in boxes])
    return Regions(boxes=np.array([box or (0, 0, 0, 0) for box in boxes], np.int64), found=found)


def _flat(*levels):
    return [np.full((10, 12, 3), level, np.uint8) for level in levels]


_BOX = (2, 2, 6, 8)


def test_a_still_background_does_not_flicker_whatever_the_person_does():
    frames = _flat(90, 90, 90)
    rng = np.random.default_rng(0)
    for frame in frames:
        frame[2:8, 2:6] = rng.integers(0, 256, (6, 4, 3))
    assert background_flicker(frames, _persons(_BOX, _BOX, _BOX)) == 0


def test_flicker_is_the_standard_deviation_over_time():
    levels = [100, 104, 98, 110]
    assert background_flicker(_flat(*levels), _persons(*[_BOX] * 4)) == pytest.approx(
        np.std(levels), abs=1e-4
    )


def test_pixels_count_only_in_frames_where_they_are_background():
    frames = _flat(50, 50, 50, 50)
    frames[0][:, :6] = 200  # the person: left in frame 0, right in frame 1
    frames[1][:, 6:] = 200
    moving = _persons((0, 0, 6, 10), (6, 0, 12, 10), (0, 0, 1, 1), (0, 0, 1, 1))
    assert background_flicker(frames, moving) == 0
    assert background_flicker(frames, _persons(*[(0, 0, 1, 1)] * 4)) > 10


def test_frames_without_a_person_are_left_out():
    assert background_flicker(_flat(10, 200, 10), _persons(_BOX, None, _BOX)) == 0


def test_nothing_to_measure_is_none():
    assert background_flicker(_flat(10, 20), _persons(_BOX, None)) is None
    assert background_flicker(_flat(10, 20), _persons((0, 0, 12, 10), (0, 0, 12, 10))) is None


def test_a_clip_of_another_length_is_an_error():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        background_flicker(_flat(1, 2, 3), _persons(_BOX, _BOX))


def test_frame_change_is_the_mean_absolute_step():
    assert frame_change(_flat(10, 20, 5)) == pytest.approx((10 + 15) / 2)
    assert frame_change(_flat(10)) is None
    assert frame_change(_flat(255, 0)) == 255
