import numpy as np
import pytest
import torch

from motiontransfer.video.tensors import (
    CPU,
    frames_to_tensor,
    start_reading,
    tensor_to_frames,
    upload_together,
)
from tests.pretend_cuda import CUDA


def test_every_level_comes_back_in_its_place_and_black_is_minus_one_and_white_is_one():
    frames = [np.zeros((8, 32, 3), np.uint8), np.zeros((8, 32, 3), np.uint8)]
    frames[1][..., 0] = np.arange(256).reshape(8, 32)
    tensor = frames_to_tensor(frames)
    assert (tensor.shape, tensor.dtype) == ((2, 3, 8, 32), torch.float32)
    assert tensor.is_contiguous()
    assert (tensor == 1).nonzero().tolist() == [[1, 0, 7, 31]]
    assert tensor[1, 0].flatten()[[0, 51, 255]].tolist() == pytest.approx([-1, -0.6, 1])
    np.testing.assert_array_equal(tensor_to_frames(tensor), frames)


def test_values_out_of_range_are_clamped_and_the_rest_rounded_of_networks_too():
    values = torch.tensor([-7.0, -1 + 0.49 / 127.5, -1 + 0.51 / 127.5, 1.5]).reshape(1, 1, 2, 2)
    (frame,) = tensor_to_frames(values.repeat(1, 3, 1, 1))
    assert frame[..., 0].tolist() == [[0, 0], [1, 255]]
    image = torch.zeros(1, 3, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    assert tensor_to_frames(image)[0].tolist() == [[[128] * 3] * 2] * 2


def test_tensors_of_all_kinds_are_uploaded_at_once_as_they_are(gpu):
    kinds = (torch.int64, torch.float32, torch.uint8, torch.float64)
    shapes = ((3,), (0, 2), (5, 1, 3), (), (2, 7))
    there = [torch.randint(9, shape).to(kind) for kind in kinds for shape in shapes]
    there[0] = there[2].transpose(0, 2)
    there.append(torch.empty_strided((0,), (0,), dtype=torch.int64))  # as NumPy's of no line
    assert all(one is two for one, two in zip(upload_together(there, CPU), there, strict=True))
    uploaded = upload_together(there, CUDA)
    for one, two in zip(uploaded, there, strict=True):
        assert (one.device, one.dtype, one.shape) == (CUDA, two.dtype, two.shape)
        assert one.tolist() == two.tolist()


@pytest.mark.needs_cuda
def test_images_of_a_device_are_read_back_unchanged():
    frames = [np.full((64, 48, 3), level, np.uint8) for level in range(40)]
    pending = [start_reading(frames_to_tensor([frame]).cuda()) for frame in frames]
    assert all(np.array_equal(read()[0], own) for read, own in zip(pending, frames, strict=True))
