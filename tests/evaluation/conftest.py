from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from motiontransfer.core.params import Compute
from motiontransfer.evaluation.frames import FrameSet, PosedFrames
from motiontransfer.evaluation.measurements import RatioMetric
from motiontransfer.evaluation.streaming import FrameMetric
from motiontransfer.plate.target_clips import HeldOut, read_target_clips
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import HOLISTIC, Skeleton
from tests.films import add_clip, film
from tests.people import blocks, figure, lost

LOCAL = Compute(num_workers=1)
BODY = HOLISTIC.joints[HOLISTIC.slice("body")]
HAND = ("left_hand_wrist", "left_hand_index_tip")


def textured(seed, size, contrast=5):
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.uniform(0, 255, (*size, 3)), (2, 2, 0))
    return np.clip((smooth - 127) * contrast + 127, 0, 255).astype(np.uint8)


@pytest.fixture(autouse=True, scope="module")
def _unknown_noise():
    """What is measured here is not the demo's, whose noise would be one system more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motiontransfer.evaluation.noise.deviations", dict)
        yield


def flat(level, size=(64, 64)):
    return np.full((*size, 3), level, np.uint8)


def noisy(image, deviation):
    noise = np.random.default_rng(9).normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def poses_of_clips(*clips):
    """The poses of several clips, one after the other."""
    return Keypoints.concatenated(clips)


def scores_of(function, videos):
    """A metric of all frames of videos, by their names."""
    metric, previous = FrameMetric(function), None
    for index, row in enumerate(zip(*videos.values(), strict=True)):
        frames = dict(zip(videos, row, strict=True))
        metric.scored(FrameSet(index, frames, previous))()
        previous = frames
    return metric.compute()


def ratio_of(values):
    """A metric with one value a frame; NaN where it was not measured."""
    return RatioMetric(total=np.nan_to_num(values), weight=np.isfinite(values).astype(float))


def without(keypoints, joints, frames=slice(None)):
    for joint in joints:
        keypoints = lost(keypoints, joint, np.arange(keypoints.num_frames)[frames])
    return keypoints


def in_skeleton(keypoints, groups):
    """The same poses with the joints of these groups only, in their order."""
    skeleton = Skeleton(groups=tuple(groups))
    order = [HOLISTIC.index(name) for name in skeleton.joints]
    points, score = keypoints.points[:, order], keypoints.score[:, order]
    return replace(keypoints, skeleton=skeleton, points=points, score=score)


def reordered(keypoints):
    return in_skeleton(keypoints, [(group, names[::-1]) for group, names in HOLISTIC.groups[::-1]])


def body_of(keypoints):
    return in_skeleton(keypoints, [("body", BODY)])


def clips_of(folder, *, held_out_fraction=0.25, **poses):
    """Ada's clips in the folder, these added: name -> the figure's poses."""
    for name, keypoints in poses.items():
        add_clip(folder / "artifacts", "ada", name, keypoints, draw=blocks)
    held_out = HeldOut(held_out_fraction=held_out_fraction, gap_frames=1)
    return read_target_clips("ada", held_out, root=folder)


@pytest.fixture
def posed(tmp_path):
    """A video of the figure, with the poses that it shows."""

    def make(name, centers, **options):
        keypoints = figure(centers, **options)
        path = film(tmp_path / f"{name}.mkv", keypoints, draw=blocks)
        return PosedFrames(frames=[(path, i) for i in range(len(centers))], keypoints=keypoints)

    return make
