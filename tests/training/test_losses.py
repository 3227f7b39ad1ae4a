from math import log

import pytest
import torch

from motiontransfer.models.discriminators import DiscriminatorOutput
from motiontransfer.training import gan
from tests.training.small import Slices


def output(logits, *features):
    features = tuple(torch.tensor(feature)[None, None] for feature in features)
    return DiscriminatorOutput(logits=torch.tensor(logits)[None, None], features=features)


ONES, ZERO = output([[1.0, 1.0], [1.0, 1.0]]), output([[0.0]])
# (-1)^2 + 0 + 1 + 9 over four patches
MIXED = output([[0.0, 1.0], [2.0, 4.0]])


# sigmoid(log 3) = 3/4 and sigmoid(-log 3) = 1/4
SURE, DOUBTFUL = output([[log(3)]]), output([[-log(3)]])
FAR = output([[-200.0]])


@pytest.mark.parametrize(
    ("objective", "outputs", "as_real", "as_fake"),
    [
        # 11/4 from one; (0 + 1 + 4 + 16) / 4 from zero
        ("least_squares", [MIXED], 11 / 4, 21 / 4),
        # scales count alike, whatever their size
        ("least_squares", [MIXED, ONES, ZERO], (11 / 4 + 0 + 1) / 3, (21 / 4 + 1 + 0) / 3),
        ("log", [SURE, DOUBTFUL], (log(4 / 3) + log(4)) / 2, (log(4) + log(4 / 3)) / 2),
        ("log", [SURE], log(4 / 3), log(4)),
        ("log", [FAR], 200, 0),  # finite
    ],
)
def test_adversarial_losses_are_means_over_patches_and_scales(objective, outputs, as_real, as_fake):
    for is_real, loss in ((True, as_real), (False, as_fake)):
        got = gan.adversarial_loss(outputs, is_real=is_real, objective=objective)
        assert got == pytest.approx(loss)


def test_feature_matching_is_four_times_the_mean_over_layers_of_the_mean_over_scales():
    real = output([[0.0]], [[1.0, 2.0], [3.0, 4.0]], [[5.0]])
    fake = output([[9.0]], [[1.0, 1.0], [3.0, 2.0]], [[7.0]])
    # layers differ by (0 + 1 + 0 + 2) / 4 and 2
    assert gan.feature_matching_loss([real], [fake]) == 4 / 2 * (0.75 + 2)
    assert gan.feature_matching_loss([real, real], [fake, real]) == 4 / 2 * (0.75 + 2) / 2


def test_half_precision_is_added_up_in_full():
    logits, features = (torch.full((1, 1, 2, 2), x, dtype=torch.bfloat16) for x in (1.0, 3.0))
    half = [DiscriminatorOutput(logits, (features,))]
    for loss in (gan.adversarial_loss(half, is_real=True), gan.feature_matching_loss(half, half)):
        assert loss.dtype == torch.float32
        assert loss == 0


def perceptual(fake, real, count):
    images = (torch.full((1, 3, 2, 2), value) for value in (fake, real))
    return gan.perceptual_loss(Slices(count), *images)


def test_later_slices_count_twice_as_much_but_the_last_four_times():
    assert perceptual(1.0, -1.0, 1) == 2 / 32
    assert perceptual(1.0, -1.0, 3) == 2 * (1 / 32 + 2 / 16 + 3 / 8)
    assert perceptual(1.0, -1.0, 5) == 2 * (1 / 32 + 2 / 16 + 3 / 8 + 4 / 4 + 5)
    assert perceptual(0.5, 0.5, 5) == 0


@pytest.mark.parametrize(
    ("loss_of", "gradient"),
    [
        (lambda fake, real: gan.perceptual_loss(Slices(1), fake, real), 1 / 32 / 3),
        (
            lambda fake, real: gan.feature_matching_loss(
                [DiscriminatorOutput(real, (real,))], [DiscriminatorOutput(fake, (fake,))]
            ),
            4 / 3,
        ),
    ],
)
def test_the_fake_is_pulled_to_the_real_and_not_back(loss_of, gradient):
    fake, real = (torch.full((1, 3, 1, 1), x, requires_grad=True) for x in (1.0, 0.0))
    loss_of(fake, real).backward()
    assert real.grad is None
    assert fake.grad.flatten().tolist() == pytest.approx([gradient] * 3)


@pytest.mark.parametrize(
    ("weight", "loss"),
    [([[1.0, 1.0], [1.0, 5.0]], (0 + 1 + 2 + 5 * 3) / 8), ([[0.0, 0.0], [1.0, 0.0]], 2)],
)
def test_l1_counts_a_pixel_as_often_as_its_weight_says(weight, loss):
    fake = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(1, 3, 1, 1)
    assert gan.weighted_l1_loss(fake, torch.ones(1, 3, 2, 2), torch.tensor([[weight]])) == loss


def test_sharpness_is_the_gradient_relative_to_the_real_images():
    slope = torch.arange(4.0).expand(2, 3, 5, 4)
    steep, flat = 3 * slope, torch.zeros_like(slope)
    assert gan.relative_sharpness(steep, slope) == pytest.approx(3)
    both = gan.relative_sharpness(torch.stack([steep[0], flat[0]]), slope)
    assert both == pytest.approx(1.5)  # each image by itself
    diagonal = slope + torch.arange(5.0)[:, None]
    assert gan.relative_sharpness(diagonal, slope) == pytest.approx(2**0.5)
    assert gan.relative_sharpness(flat, flat) == 0


def test_pixels_near_the_pose_count_more():
    poses = torch.zeros(1, 2, 32, 40)
    poses[0, 1, 9, 18] = 0.01
    weight = gan.foreground_weight(poses, radius_px=4, weight=5.0)
    # cells of 4 pixels: the stick's and one around it
    expected = torch.ones(1, 1, 32, 40)
    expected[:, :, 4:16, 12:24] = 5
    assert torch.equal(weight, expected)
    assert (gan.foreground_weight(poses, radius_px=0, weight=5.0) == 5).sum() == 16
    assert (gan.foreground_weight(poses, radius_px=4, weight=1.0) == 1).all()
    poses = torch.zeros(1, 1, 10, 7)  # which four does not divide
    poses[0, 0, 9, 6] = 1
    expected = torch.ones(1, 1, 10, 7)
    expected[:, :, 8:, 4:] = 3
    assert torch.equal(gan.foreground_weight(poses, radius_px=0, weight=3.0), expected)
