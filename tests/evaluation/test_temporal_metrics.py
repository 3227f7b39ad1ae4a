from functools import partial

import numpy as np
import pytest

from motiontransfer.evaluation import temporal_metrics as module
from motiontransfer.evaluation.frames import FrameSet
from motiontransfer.evaluation.measurements import MetricKey
from tests.evaluation.conftest import flat, scores_of, textured

_BOX = (2, 2, 6, 8)
_SIZE = (72, 96)


def _flat(*levels):
    return [flat(level, (10, 12)) for level in levels]


def _flicker(frames, persons):
    metric = module.BackgroundFlicker(("ours",), persons=persons)
    for index, frame in enumerate(frames):
        metric.scored(FrameSet(index, {"ours": frame}, None))()
    (flicker,) = metric.compute().values()
    return flicker


@pytest.mark.parametrize(
    ("levels", "persons", "flicker"),
    [
        ((100, 104, 98, 110), [_BOX] * 4, np.std([100, 104, 98, 110])),
        ((10, 200, 10), [_BOX, None, _BOX], 0),  # frames without a person are left out
        ((10, 20), [_BOX, None], None),
        ((10, 20), [(0, 0, 12, 10)] * 2, None),
    ],
)
def test_flicker_is_the_standard_deviation_of_the_background(levels, persons, flicker):
    found = _flicker(_flat(*levels), persons)
    assert found.mean() == (flicker and pytest.approx(flicker))
    if flicker:  # a frame adds as much as it is off
        squares = np.square(np.array(levels) - np.mean(levels))
        np.testing.assert_allclose(found.per_frame(), (squares / flicker + flicker) / 2)


def test_large_frames_have_the_flicker_of_all_their_pixels():
    """The grid of pixels that shares it out must not change it."""
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (70, 90, 3), np.uint8) for _ in range(5)]
    frames[2][:40] = 255
    persons = [(3, 4, 40, 50)] * 5
    outside = np.ones((70, 90), bool)
    outside[4:50, 3:40] = False
    expected = np.stack(frames)[:, outside].std(axis=0).mean()
    metric = _flicker(frames, persons)
    assert metric.mean() == pytest.approx(expected)
    assert metric.per_frame().argmax() == 2


def test_flicker_that_the_grid_misses_is_not_lost():
    frames = [np.full((70, 90, 3), 50, np.uint8) for _ in range(2)]
    frames[1][1, 1] = 70  # every third row and column is sampled
    metric = _flicker(frames, [(80, 60, 90, 70)] * 2)
    assert metric.mean() == pytest.approx(10 / (70 * 90 - 100))


def test_change_is_relative_to_the_real_videos():
    real = _flat(10, 20, 0)
    for levels, expected in (((10, 15, 5), 0.5), ((110, 120, 100), 1), ((10, 10, 10), 0)):
        change = _change(real, _flat(*levels))
        assert change.mean() == expected
        assert np.isnan(change.per_frame()[0])
        assert change.per_frame()[1:].tolist() == [expected] * 2


def _change(real, ours, persons=None):
    function = partial(module.frame_changes, systems=("ours",), real="real", persons=persons)
    ((key, change),) = scores_of(function, {"real": real, "ours": ours}).items()
    assert key == MetricKey("frame_change_to_real", "", "ours", "temporal")
    return change


def test_change_counts_where_the_person_is_in_either_frame():
    frames, other = _flat(10, 10), _flat(10, 10)
    frames[1][0:2, 0:2] = 20  # in the first frame's box
    frames[1][8:10, 10:12] = 20  # in the second's
    other[1][0:2, 0:2] = 20
    change = _change(frames, other, [(0, 0, 2, 2), (8, 8, 12, 10)])
    assert change.mean() == pytest.approx(0.5)
    assert change.weight[1] == pytest.approx(10 * 8 / (12 * 10))


@pytest.fixture
def texture():
    return textured(0, (90, 120), contrast=6)


def _flow(right, down):
    return np.tile(np.float32([right, down]), (*_SIZE, 1))


def test_pixels_that_leave_the_frame_or_come_back_elsewhere_are_not_visible():
    visible = module.visible_pixels(_flow(-2, 0), _flow(2, 0))
    assert not visible[:, :2].any()
    assert visible[:, 2:].all()
    back = _flow(2, 0)
    back[20:30, 40:50] = (10, 0)  # reached from x = 42 to 51
    visible = module.visible_pixels(_flow(-2, 0), back)
    assert not visible[20:30, 43:51].any()
    assert visible[40:, 10:].all()


def test_a_step_of_the_flow_is_a_boundary():
    there, back = _flow(0, 0), _flow(0, 0)
    there[:, 50:] = (6, 0)
    back[:, 56:] = (-6, 0)
    visible = module.visible_pixels(there, back)
    assert not visible[:, 49:51].any()
    assert visible[:, :48].all()
    assert visible[:, 57:89].all()


def test_the_error_is_the_mean_square_over_visible_pixels():
    first, second = (flat(level, _SIZE) for level in (100, 151))
    second[:, :48] = 100
    visible = np.ones(_SIZE, bool)
    visible[:36] = False
    error = module.warping_error(first, second, _flow(0, 0))
    mean, weight = module.mean_visible(error, visible, (0, 0, 96, 72))
    assert (mean, weight) == (pytest.approx(0.2**2 / 2, rel=1e-4), 1)
    assert module.mean_visible(error, visible, (48, 40, 60, 50))[0] == pytest.approx(0.04, rel=1e-4)
    assert module.mean_visible(error, visible, (0, 0, 96, 36)) == (0, 0)


def _means(videos, systems, persons):
    function = partial(module.warping_errors, real="real", systems=systems, persons=persons)
    found = scores_of(function, videos)
    return {key.system: one.mean() for key, one in found.items()}


def test_the_person_is_where_they_were_in_the_frame_before(texture):
    """Whose pixels the next frame is laid over."""
    still = texture[:72, :96]
    changed = still.copy()
    changed[10:30, 10:30] = 255 - changed[10:30, 10:30]
    persons = [(10, 10, 30, 30), (50, 40, 80, 60)]
    videos = {"real": [still, still], "ours": [still, changed]}
    found = _means(videos, ("ours",), persons)
    assert found["real"] == 0
    assert found["ours"] > 0.01


def _switched(shown, real, *, persons=None):
    persons = persons or [(0, 0, 96, 72)] * len(real)
    function = partial(module.switch_scores, systems=("ours",), real="real", persons=persons)
    (found,) = scores_of(function, {"real": real, "ours": shown}).values()
    return found


def _turning(count):
    """A texture that goes to the right behind a still one: an arm over a trunk."""
    still, moving = textured(5, _SIZE, contrast=2), textured(6, _SIZE, contrast=2)
    frames = []
    for index in range(count):
        frame = still.copy()
        frame[20:50, 30 + index : 60 + index] = moving[20:50, 30:60]
        frames.append(frame)
    return frames


def test_an_arm_from_elsewhere_in_one_frame_is_a_switch_in_and_out():
    real = _turning(6)
    shown = [frame.copy() for frame in real]
    shown[3][20:50, 33:63] = textured(8, (30, 30), contrast=2)
    values = _switched(shown, real).per_frame()
    assert np.isnan(values[0])
    np.testing.assert_array_equal(values[[1, 2, 5]], 0)
    assert min(values[3], values[4]) > 0.3 * 30 * 30 / (72 * 96)


def test_nothing_switches_that_moves_as_the_film_or_evenly_or_where_the_film_switches_too():
    real = _turning(6)
    aside = [np.roll(frame, 2, axis=1) for frame in real]
    blurred = [module.cv2.GaussianBlur(frame, (0, 0), 2) for frame in real]
    still = [real[0]] * 6
    for shown in (real, aside, blurred, still):
        assert _switched(shown, real).mean() == pytest.approx(0, abs=1e-3)
    real[3] = textured(9, _SIZE, contrast=2)
    assert _switched(real, real).mean() == 0


def test_switches_are_counted_in_the_box_of_a_person_who_is_found():
    real = _turning(4)
    shown = [*real[:3], textured(9, _SIZE, contrast=2)]
    found = _switched(shown, real, persons=[None, (0, 0, 15, 72), (30, 20, 60, 50), None])
    assert found.weight.tolist() == [0, 0, 0, 1]
    assert found.total[3] > 0.4
