"""Flow, visibility and warping errors on pictures whose motion is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from motiontransfer.evaluation.regions import Regions
from motiontransfer.evaluation.warping import (
    Motion,
    WarpingJudge,
    mean_visible,
    motion_between,
    visible_pixels,
    warped,
    warping_error,
)

_SIZE = (72, 96)


@pytest.fixture
def texture():
    smooth = gaussian_filter(np.random.default_rng(0).uniform(0, 255, (90, 120, 3)), (2, 2, 0))
    return np.clip((smooth - 127) * 6 + 127, 0, 255).astype(np.uint8)


def _pan(texture, num_frames, step=2):
    """A camera that moves over the texture to the right."""
    height, width = _SIZE
    return [texture[5 : 5 + height, step * i : step * i + width].copy() for i in range(num_frames)]


def _flow(right, down):
    return np.tile(np.float32([right, down]), (*_SIZE, 1))


def _nobody(num_frames):
    return Regions(boxes=np.zeros((num_frames, 4), np.int64), found=np.zeros(num_frames, bool))


def _everywhere(num_frames, box):
    return Regions(boxes=np.array([box] * num_frames), found=np.ones(num_frames, bool))


def test_the_flow_of_a_pan_is_found(texture):
    first, second = _pan(texture, 2)
    motion = motion_between(first, second)
    inside = motion.flow[10:-10, 10:-10]
    np.testing.assert_allclose(np.median(inside, axis=(0, 1)), (-2, 0), atol=0.1)
    assert motion.visible[10:-10, 10:-10].mean() > 0.95


def test_what_leaves_the_picture_is_not_visible():
    visible = visible_pixels(_flow(-2, 0), _flow(2, 0))
    assert not visible[:, :2].any()
    assert visible[:, 2:].all()


def test_where_the_way_back_leads_elsewhere_is_occluded():
    back = _flow(2, 0)
    back[20:30, 40:50] = (10, 0)  # reached from x = 42 to 51
    visible = visible_pixels(_flow(-2, 0), back)
    assert not visible[20:30, 43:51].any()
    assert visible[40:, 10:].all()


def test_a_step_of_the_flow_is_a_boundary():
    there, back = _flow(0, 0), _flow(0, 0)
    there[:, 50:] = (6, 0)
    back[:, 56:] = (-6, 0)
    visible = visible_pixels(there, back)
    assert not visible[:, 49:51].any()
    assert visible[:, :48].all()
    assert visible[:, 57:89].all()


def test_warping_looks_where_the_flow_leads():
    ramp = np.arange(_SIZE[1], dtype=np.float32)[None, :, None]
    ramp = np.tile(ramp, (_SIZE[0], 1, 3))
    moved = warped(ramp, _flow(1.5, 0))
    np.testing.assert_allclose(moved[:, :-2, 0], ramp[:, :-2, 0] + 1.5, atol=0.05)


def test_the_error_is_the_mean_square_over_visible_pixels():
    first, second = (np.full((*_SIZE, 3), level, np.uint8) for level in (100, 151))
    second[:, :48] = 100
    visible = np.ones(_SIZE, bool)
    visible[:36] = False
    motion = Motion(flow=_flow(0, 0), visible=visible)
    error = warping_error(first, second, motion)
    assert mean_visible(error, motion, (0, 0, 96, 72)) == pytest.approx(0.2**2 / 2, rel=1e-4)
    assert mean_visible(error, motion, (48, 40, 60, 50)) == pytest.approx(0.04, rel=1e-4)
    assert np.isnan(mean_visible(error, motion, (0, 0, 96, 36)))
    assert np.isnan(mean_visible(error, motion, None))


def _means(judge, videos):
    for frames in zip(*videos.values(), strict=True):
        judge.see(dict(zip(videos, frames, strict=True)))
    return {
        region: {name: one.mean() for name, one in of_method.items()}
        for region, of_method in judge.scores().items()
    }


def test_a_still_video_has_no_error(texture):
    still = [texture[:72, :96]] * 4
    judge = WarpingJudge(("ours",), guide="real", persons=_nobody(4))
    assert _means(judge, {"real": still, "ours": still})["frame"] == {"ours": 0}


def test_flicker_and_wrong_motion_cost_but_the_motion_itself_does_not(texture):
    real = _pan(texture, 6)
    rng = np.random.default_rng(1)
    flickering = [np.clip(frame + rng.normal(0, 12), 0, 255).astype(np.uint8) for frame in real]
    noise = [rng.integers(0, 256, (*_SIZE, 3), np.uint8) for _ in real]
    jumping = [real[i] for i in (0, 3, 1, 5, 2, 4)]
    videos = {
        "real": real,
        "flickering": flickering,
        "frozen": [real[0]] * 6,
        "jumping": jumping,
        "noise": noise,
    }
    judge = WarpingJudge(tuple(videos), guide="real", persons=_everywhere(6, (20, 20, 60, 60)))
    found = _means(judge, videos)
    for errors in found.values():
        assert errors["real"] < 0.0005 < errors["flickering"] < errors["noise"]
        assert errors["real"] < errors["frozen"] < errors["jumping"] < errors["noise"]


def test_the_person_is_where_they_were_in_the_frame_before(texture):
    """Whose pixels the next frame is laid over."""
    still = texture[:72, :96]
    changed = still.copy()
    changed[10:30, 10:30] = 255 - changed[10:30, 10:30]
    boxes = np.array([(10, 10, 30, 30), (50, 40, 80, 60)])
    persons = Regions(boxes=boxes, found=np.ones(2, bool))
    judge = WarpingJudge(("ours",), guide="real", persons=persons)
    found = _means(judge, {"real": [still, still], "ours": [still, changed]})
    assert found["person"]["ours"] > 0.01


def test_along_its_own_flow_any_smooth_motion_is_steady(texture):
    videos = {"ours": _pan(texture, 5, step=1)}
    judge = WarpingJudge(("ours",), guide=None, persons=_nobody(5))
    found = _means(judge, videos)
    assert found["frame"]["ours"] < 0.0005
    assert found["person"]["ours"] is None
    assert judge.scores()["frame"]["ours"].weight.tolist() == [0, 1, 1, 1, 1]
