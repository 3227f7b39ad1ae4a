"""NumPy draws what PyTorch draws."""

import numpy as np
import pytest
import torch

from motiontransfer.pose import drawing, rendering
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.skeleton import COCO_17, HOLISTIC, Skeleton

COCO = Skeleton(groups=(("body", COCO_17),))


@pytest.mark.parametrize("skeleton", [HOLISTIC, COCO])
@pytest.mark.parametrize("encoding", ["sticks", "limbs", "heatmaps"])
@pytest.mark.parametrize("size", [(24, 32), (41, 23)])
def test_both_draw_the_same(encoding, size, skeleton):
    random = np.random.default_rng(0)
    points = random.uniform(-10, 50, (3, len(skeleton.joints), 2)).astype(np.float32)
    score = random.uniform(0, 1, points.shape[:2]).astype(np.float32)
    score[score < 0.3] = 0
    score[1] = 0
    asked = {
        "skeleton": skeleton,
        "size": size,
        "style": PoseMapStyle(encoding=encoding, line_width_px=3.0),
    }
    drawn = drawing.draw_poses(points, score, **asked)
    expected = rendering.draw_poses(torch.from_numpy(points), torch.from_numpy(score), **asked)
    assert drawn.max() > 0.5
    assert not drawn[1].any()
    assert np.abs(drawn - expected.numpy()).max() < 1e-6
