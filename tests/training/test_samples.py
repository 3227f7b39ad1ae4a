"""Sample pictures show the frames they say, in their order."""

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.models.generators import FrameGenerator
from motiontransfer.pose.rendering import draw_rgb
from motiontransfer.training.run_log import sample_grid, spread
from tests.dancer import SIZE, dance, picture, training_clip
from tests.training.small import STYLE


class Counting(FrameGenerator):
    """Every frame is a quarter brighter than the one before it."""

    def __init__(self):
        super().__init__(nn.Identity())

    def forward(self, pose_map, previous_frame):
        return previous_frame + 0.25


@pytest.mark.parametrize(
    ("frames", "count", "expected"),
    [
        (range(11), 3, [0, 5, 10]),
        (range(4, 9), 2, [4, 8]),
        (range(3), 6, [0, 1, 2]),
        (range(7), 1, [0]),
    ],
)
def test_indices_are_spread_evenly(frames, count, expected):
    assert spread(frames, count=count) == expected


def test_a_column_is_pose_real_and_generated_after_one_frame_of_lead_in(tmp_path):
    clip = training_clip(tmp_path, dance(6))
    grid = sample_grid(
        Counting(), clip, frame_indices=[0, 4], style=STYLE, device=torch.device("cpu")
    )
    height, width = SIZE
    assert grid.shape == (3 * height, 2 * width, 3)
    for column, (index, level) in enumerate([(0, 0.25), (4, 0.5)]):
        pose, real, generated = np.split(grid[:, column * width : (column + 1) * width], 3)
        expected = draw_rgb(
            clip.keypoints.points[index],
            clip.keypoints.score[index],
            skeleton=clip.keypoints.skeleton,
            size=SIZE,
            line_width_px=STYLE.line_width_px,
        )
        assert np.array_equal(pose, expected)
        assert np.array_equal(real, picture(clip.keypoints, index))
        assert np.unique(generated).tolist() == [round((level + 1) * 127.5)]
