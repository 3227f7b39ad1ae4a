"""Faces go out and corrections come back, each in its own box."""

import numpy as np
import pytest
import torch

from motiontransfer.models.faces import add_residuals, crop_boxes, draw_crops, feather
from motiontransfer.pose.rendering import PoseMapStyle, draw_poses
from motiontransfer.skeleton import HOLISTIC

STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)
CPU = torch.device("cpu")


def images(batch=2, size=(24, 32)):
    torch.manual_seed(6)
    return torch.rand(batch, 3, *size) * 2 - 1


def poses(batch=2):
    random = torch.Generator().manual_seed(7)
    shape = (batch, len(HOLISTIC.joints))
    return 24 * torch.rand((*shape, 2), generator=random), torch.ones(shape)


def test_a_box_of_the_crops_size_is_cut_out_exactly():
    whole = images()
    crops = crop_boxes(whole, torch.tensor([[4, 2, 20, 18], [15, 8, 31, 24]]), crop_size=16)
    assert torch.equal(crops[0], whole[0, :, 2:18, 4:20])
    assert torch.equal(crops[1], whole[1, :, 8:24, 15:31])


def test_a_smaller_crop_shows_means_and_a_larger_one_shows_no_more():
    ramp = torch.arange(32.0).expand(1, 3, 24, 32) / 32
    box = torch.tensor([[8, 4, 24, 20]])
    small = crop_boxes(ramp, box, crop_size=8)[0, 0, 4]
    assert small[1:-1].tolist() == pytest.approx([(8.5 + 2 * i) / 32 for i in range(1, 7)])
    large = crop_boxes(ramp, box, crop_size=32)
    assert large.shape == (1, 3, 32, 32)
    assert large.min() == 8 / 32
    assert large.max() == 23 / 32


def test_shrinking_does_not_alias():
    """A chequerboard at half the size is grey; every second pixel of it would be black."""
    board = torch.from_numpy(np.indices((24, 32)).sum(0) % 2 * 2.0 - 1).float()
    crop = crop_boxes(board.expand(1, 3, -1, -1), torch.tensor([[0, 0, 24, 24]]), crop_size=12)
    assert crop[:, :, 1:-1, 1:-1].abs().max() < 1e-5


def test_poses_drawn_for_a_box_of_the_crops_size_are_the_whole_map_cut_out():
    points, score = poses()
    boxes = torch.tensor([[4, 2, 20, 18], [8, 8, 24, 24]])
    drawn = draw_crops(points, score, boxes, skeleton=HOLISTIC, style=STYLE, crop_size=16)
    whole = draw_poses(points, score, skeleton=HOLISTIC, size=(24, 32), style=STYLE)
    for index, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        assert torch.allclose(drawn[index], whole[index, :, y0:y1, x0:x1], atol=1e-4)


def test_an_enlarged_pose_lies_where_the_enlarged_picture_has_it():
    """A dot and the pose of a joint, at the same place of the frame, meet in the crop."""
    points = torch.zeros(1, len(HOLISTIC.joints), 2)
    score = torch.zeros(1, len(HOLISTIC.joints))
    for name in ("left_hip", "left_knee"):
        points[0, HOLISTIC.index(name)] = torch.tensor([14.0, 9.0])
        score[0, HOLISTIC.index(name)] = 1
    image = torch.zeros(1, 3, 24, 32)
    image[:, :, 9, 14] = 1
    box = torch.tensor([[10, 4, 22, 16]])
    pose = draw_crops(points, score, box, skeleton=HOLISTIC, style=STYLE, crop_size=48)[0].sum(0)
    dot = crop_boxes(image, box, crop_size=48)[0, 0]

    def centre(shown):
        y, x = np.mgrid[:48, :48]
        weight = shown.numpy() / float(shown.sum())
        return float((x * weight).sum()), float((y * weight).sum())

    # the middle of pixel (14, 9) is 4.5 and 5.5 pixels from the box's corner, each 4 in the crop
    assert centre(pose) == pytest.approx((4.5 * 4 - 0.5, 5.5 * 4 - 0.5), abs=0.02)
    assert centre(dot) == pytest.approx(centre(pose), abs=0.02)


def test_feathering_goes_from_nothing_at_the_border_to_all_inside():
    weight = feather((40, 20), fraction=0.25, device=CPU)
    assert weight.shape == (40, 20)
    assert (weight[10:30, 5:15] == 1).all()
    assert weight[0].max() < 0.01
    assert weight[:, 0].max() < 0.03
    assert torch.allclose(weight, weight.flip(0), atol=1e-6)
    assert torch.allclose(weight, weight.flip(1), atol=1e-6)
    assert (weight[:11, 10].diff() >= 0).all()
    # half way along the ramp the cosine is at its middle: ramps are 5 pixels, centres at .5
    assert float(weight[20, 2]) == pytest.approx(0.5)
    # corners are faded by both sides
    assert float(weight[2, 2]) == pytest.approx(float(weight[2, 10]) * float(weight[20, 2]))


def test_no_feathering_is_a_box():
    assert (feather((6, 5), fraction=0.0, device=CPU) == 1).all()


def test_no_residual_changes_nothing():
    whole = images()
    boxes = torch.tensor([[4, 2, 20, 18], [0, 0, 24, 24]])
    same = add_residuals(whole, torch.zeros(2, 3, 16, 16), boxes, feather_fraction=0.2)
    assert torch.equal(same, whole)


def test_residuals_are_added_inside_their_own_boxes_only():
    whole = images() * 0.2
    before = whole.clone()
    residuals = torch.stack([torch.full((3, 16, 16), 0.25), torch.full((3, 16, 16), -0.5)])
    boxes = torch.tensor([[4, 2, 14, 12], [12, 4, 32, 24]])
    added = add_residuals(whole, residuals, boxes, feather_fraction=0.2) - whole
    assert torch.equal(whole, before)
    inside = torch.zeros(2, 24, 32, dtype=torch.bool)
    inside[0, 2:12, 4:14], inside[1, 4:24, 12:32] = True, True
    assert not added.abs().amax(1)[~inside].any()
    # boxes are 10 and 20 wide, fading over a fifth of each side
    assert added[0, :, 4:10, 6:12].numpy() == pytest.approx(np.full((3, 6, 6), 0.25), abs=1e-6)
    assert added[1, :, 8:20, 16:28].numpy() == pytest.approx(np.full((3, 12, 12), -0.5), abs=1e-6)
    assert added[0, 0, 2, 4:14].abs().max() < 0.25 * 0.2


def test_the_sum_stays_in_range():
    whole = torch.full((1, 3, 24, 32), 0.9)
    box = torch.tensor([[4, 2, 20, 18]])
    for sign in (1, -1):
        corrected = add_residuals(
            sign * whole, torch.full((1, 3, 16, 16), 0.5 * sign), box, feather_fraction=0.2
        )
        assert corrected.abs().max() == 1


def test_what_was_cut_out_and_its_difference_put_back_is_the_new_picture():
    old, new = images(1), images(2)[1:]
    box = torch.tensor([[4, 2, 20, 18]])
    difference = crop_boxes(new, box, crop_size=16) - crop_boxes(old, box, crop_size=16)
    put = add_residuals(old, difference, box, feather_fraction=0.0)
    assert torch.allclose(put[0, :, 2:18, 4:20], new[0, :, 2:18, 4:20], atol=1e-6)
