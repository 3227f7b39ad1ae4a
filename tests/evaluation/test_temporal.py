import numpy as np
import pytest

from motiontransfer.evaluation.regions import Regions
from motiontransfer.evaluation.temporal import ChangeJudge, FlickerJudge, frame_change

_BOX = (2, 2, 6, 8)


def _persons(*boxes):
    found = np.array([box is not None for box in boxes])
    return Regions(boxes=np.array([box or (0, 0, 0, 0) for box in boxes], np.int64), found=found)


def _flat(*levels):
    return [np.full((10, 12, 3), level, np.uint8) for level in levels]


def _judged(judge, **videos):
    for frames in zip(*videos.values(), strict=True):
        judge.see(dict(zip(videos, frames, strict=True)))
    return judge.scores()


def _flicker(frames, persons):
    return _judged(FlickerJudge(("ours",), persons=persons), ours=frames)["ours"]


def test_a_still_background_does_not_flicker_whatever_the_person_does():
    frames = _flat(90, 90, 90)
    rng = np.random.default_rng(0)
    for frame in frames:
        frame[2:8, 2:6] = rng.integers(0, 256, (6, 4, 3))
    assert _flicker(frames, _persons(_BOX, _BOX, _BOX)).mean() == 0


def test_flicker_is_the_standard_deviation_over_time():
    levels = [100, 104, 98, 110]
    assert _flicker(_flat(*levels), _persons(*[_BOX] * 4)).mean() == pytest.approx(np.std(levels))


def test_a_frame_adds_as_much_as_it_is_off():
    levels = np.array([100, 104, 98, 110])
    shares = _flicker(_flat(*levels), _persons(*[_BOX] * 4)).per_frame()
    mean, deviation = levels.mean(), levels.std()
    expected = (np.square(levels - mean) / deviation + deviation) / 2
    np.testing.assert_allclose(shares, expected)


def test_large_pictures_have_the_flicker_of_all_their_pixels():
    """The grid of pixels that shares it out must not change it."""
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (70, 90, 3), np.uint8) for _ in range(5)]
    frames[2][:40] = 255
    persons = _persons(*[(3, 4, 40, 50)] * 5)
    outside = np.ones((70, 90), bool)
    outside[4:50, 3:40] = False
    expected = np.stack(frames)[:, outside].std(axis=0).mean()
    series = _flicker(frames, persons)
    assert series.mean() == pytest.approx(expected)
    assert series.per_frame().argmax() == 2


def test_pixels_count_only_in_frames_where_they_are_background():
    frames = _flat(50, 50, 50, 50)
    frames[0][:, :6] = 200  # the person: left in frame 0, right in frame 1
    frames[1][:, 6:] = 200
    moving = _persons((0, 0, 6, 10), (6, 0, 12, 10), (0, 0, 1, 1), (0, 0, 1, 1))
    assert _flicker(frames, moving).mean() == 0
    assert _flicker(frames, _persons(*[(0, 0, 1, 1)] * 4)).mean() > 10


def test_pixels_that_are_background_only_once_do_not_count():
    """They cannot flicker, and would thin out the others."""
    right_half, corner = (6, 0, 12, 10), (0, 0, 1, 1)
    series = _flicker(_flat(10, 30, 20), _persons(right_half, right_half, corner))
    left = np.full((10, 6), np.std([10, 30, 20]))
    left[0, 0] = np.std([10, 30])
    assert series.mean() == pytest.approx(left.mean())
    shares = series.per_frame()
    assert shares[1] == pytest.approx(shares[0])
    assert shares[2] == pytest.approx(np.std([10, 30, 20]) / 2, rel=0.03)


def test_flicker_that_the_grid_misses_is_not_lost():
    frames = [np.full((70, 90, 3), 50, np.uint8) for _ in range(2)]
    frames[1][1, 1] = 70  # every third row and column is sampled
    series = _flicker(frames, _persons(*[(80, 60, 90, 70)] * 2))
    assert series.mean() == pytest.approx(10 / (70 * 90 - 100))


def test_background_that_the_grid_misses_is_not_lost():
    frames = [np.full((71, 90, 3), level, np.uint8) for level in (50, 70)]
    below = _persons(*[(0, 0, 90, 70)] * 2)  # all but row 70, which is no third one
    assert _flicker(frames, below).mean() == 10


def test_frames_without_a_person_are_left_out():
    series = _flicker(_flat(10, 200, 10), _persons(_BOX, None, _BOX))
    assert series.mean() == 0
    assert series.weight[1] == 0


def test_nothing_to_measure_is_none():
    assert _flicker(_flat(10, 20), _persons(_BOX, None)).mean() is None
    assert _flicker(_flat(10, 20), _persons((0, 0, 12, 10), (0, 0, 12, 10))).mean() is None


def test_frame_change_is_the_mean_absolute_step_in_the_box():
    first, second = _flat(10, 250)
    second[:5] = 10
    assert frame_change(first, second, (0, 0, 12, 10)) == 120
    assert frame_change(second, first, (0, 5, 3, 10)) == 240


def test_change_is_a_share_of_the_real_videos():
    scores = _judged(
        ChangeJudge(("half", "same", "frozen"), real="real"),
        real=_flat(10, 20, 0),
        half=_flat(10, 15, 5),
        same=_flat(110, 120, 100),
        frozen=_flat(10, 10, 10),
    )
    assert {name: one.mean() for name, one in scores.items()} == {
        "half": 0.5,
        "same": 1,
        "frozen": 0,
    }
    assert np.isnan(scores["half"].per_frame()[0])
    assert scores["half"].per_frame()[1:].tolist() == [0.5, 0.5]


def test_change_counts_where_the_person_is_in_either_frame():
    frames, other = _flat(10, 10), _flat(10, 10)
    frames[1][0:2, 0:2] = 20  # in the first frame's box
    frames[1][8:10, 10:12] = 20  # in the second's
    other[1][0:2, 0:2] = 20
    boxes = _persons((0, 0, 2, 2), (8, 8, 12, 10))
    scores = _judged(ChangeJudge(("ours",), real="real", persons=boxes), real=frames, ours=other)
    assert scores["ours"].mean() == pytest.approx(0.5)
    assert scores["ours"].weight[1] == pytest.approx(10 * 8 / (12 * 10))


def test_a_real_video_that_stands_still_tells_nothing():
    judge = ChangeJudge(("ours",), real="real")
    assert _judged(judge, real=_flat(10, 10), ours=_flat(10, 20))["ours"].mean() is None
    boxes = _persons(_BOX, None)
    judge = ChangeJudge(("ours",), real="real", persons=boxes)
    assert _judged(judge, real=_flat(10, 20), ours=_flat(10, 20))["ours"].mean() is None
