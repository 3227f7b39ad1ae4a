"""How far frames are from the real ones."""

import torch

from motiontransfer.training.losses import foreground_weight


def test_pixels_near_the_pose_count_more():
    poses = torch.zeros(1, 2, 32, 40)
    poses[0, 1, 9, 18] = 0.01
    weight = foreground_weight(poses, radius_px=4, weight=5.0)
    assert weight.shape == (1, 1, 32, 40)
    # cells of 4 pixels: the stick's and one around it
    expected = torch.ones(1, 1, 32, 40)
    expected[:, :, 4:16, 12:24] = 5
    assert torch.equal(weight, expected)
    assert (foreground_weight(poses, radius_px=0, weight=5.0) == 5).sum() == 16
    assert (foreground_weight(poses, radius_px=4, weight=1.0) == 1).all()


def test_the_weight_covers_sizes_that_do_not_divide():
    poses = torch.zeros(1, 1, 10, 7)
    poses[0, 0, 9, 6] = 1
    weight = foreground_weight(poses, radius_px=0, weight=3.0)
    assert weight.shape == (1, 1, 10, 7)
    assert (weight == 3).nonzero()[:, 2:].tolist() == [
        [8, 4],
        [8, 5],
        [8, 6],
        [9, 4],
        [9, 5],
        [9, 6],
    ]
