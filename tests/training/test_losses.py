"""Losses, worked out by hand."""

from math import log

import pytest
import torch
from torch import nn

from motiontransfer.models.discriminators import DiscriminatorOutput
from motiontransfer.training.losses import (
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
    foreground_weight,
    perceptual_loss,
    weighted_l1_loss,
)


def output(logits, *features):
    return DiscriminatorOutput(
        logits=torch.tensor(logits)[None, None],
        features=tuple(torch.tensor(feature)[None, None] for feature in features),
    )


ONES, ZEROS = output([[1.0, 1.0], [1.0, 1.0]]), output([[0.0, 0.0], [0.0, 0.0]])
# (-1)^2 + 0 + 1 + 9 over four patches
MIXED = output([[0.0, 1.0], [2.0, 4.0]])
SAME = output([[0.0]], [[1.0, 2.0], [3.0, 4.0]], [[5.0]])


def test_a_generator_that_is_believed_has_no_loss():
    assert adversarial_generator_loss([ONES, ONES]) == 0
    assert adversarial_generator_loss([ZEROS]) == 1
    assert adversarial_generator_loss([MIXED]) == 11 / 4


def test_scales_count_alike_whatever_their_size():
    assert adversarial_generator_loss([MIXED, ONES, output([[0.0]])]) == pytest.approx(
        (11 / 4 + 0 + 1) / 3
    )


def test_a_discriminator_that_is_right_has_no_loss():
    assert adversarial_discriminator_loss([ONES], [ZEROS]) == 0
    assert adversarial_discriminator_loss([ZEROS], [ONES]) == 1
    assert adversarial_discriminator_loss([ZEROS], [ZEROS]) == 0.5
    assert adversarial_discriminator_loss([ONES], [ONES]) == 0.5
    # real 11/4 from one; fake (0 + 1 + 4 + 16) / 4 from zero
    assert adversarial_discriminator_loss([MIXED], [MIXED]) == (11 / 4 + 21 / 4) / 2
    assert adversarial_discriminator_loss([MIXED, ONES], [MIXED, ZEROS]) == 2


def test_least_squares_is_the_default():
    assert adversarial_generator_loss([MIXED], objective="least_squares") == 11 / 4
    loss = adversarial_discriminator_loss([MIXED], [MIXED], objective="least_squares")
    assert loss == adversarial_discriminator_loss([MIXED], [MIXED])


# sigmoid(log 3) = 3/4 and sigmoid(-log 3) = 1/4
SURE, DOUBTFUL = output([[log(3)]]), output([[-log(3)]])


def test_the_log_of_a_generator_is_that_of_its_fakes_probability_of_being_real():
    loss = adversarial_generator_loss([SURE, DOUBTFUL], objective="log")
    assert loss == pytest.approx((log(4 / 3) + log(4)) / 2)


def test_the_log_of_a_discriminator_is_half_of_both_wrong_probabilities():
    loss = adversarial_discriminator_loss([SURE], [DOUBTFUL], objective="log")
    assert loss == pytest.approx(log(4 / 3))
    loss = adversarial_discriminator_loss([SURE], [SURE], objective="log")
    assert loss == pytest.approx((log(4 / 3) + log(4)) / 2)


def test_a_generator_that_fools_nobody_still_learns_by_log():
    """log(1 - D) is flat there; -log D falls by one with each step of the logits."""
    logits = torch.full((1, 1, 1, 1), -20.0, requires_grad=True)
    adversarial_generator_loss([DiscriminatorOutput(logits, ())], objective="log").backward()
    assert logits.grad.item() == pytest.approx(-1)


def test_no_logits_are_too_large_for_the_log():
    far = output([[-200.0]])
    assert adversarial_generator_loss([far], objective="log") == 200
    assert adversarial_discriminator_loss([far], [SURE], objective="log") > 100


@pytest.mark.parametrize("objective", ["least_squares", "log"])
def test_every_objective_pulls_real_up_and_fake_down_and_the_generator_against_it(objective):
    real, fake, fooling = (torch.zeros(1, 1, 2, 2, requires_grad=True) for _ in range(3))
    judged = [DiscriminatorOutput(real, ())], [DiscriminatorOutput(fake, ())]
    if objective == "least_squares":
        fake.data += 0.5
    adversarial_discriminator_loss(*judged, objective=objective).backward()
    adversarial_generator_loss([DiscriminatorOutput(fooling, ())], objective=objective).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    assert (fooling.grad < 0).all()


class Linear(nn.Module):
    """A judge whose logits are a weighted sum of the channels, at two scales."""

    def __init__(self, *weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, condition, images):
        whole = (images * self.weights[:, None, None]).sum(1, keepdim=True) + condition
        return [DiscriminatorOutput(whole, ()), DiscriminatorOutput(2 * whole, ())]


def test_equal_features_match():
    assert feature_matching_loss([SAME], [SAME]) == 0


def test_feature_matching_is_four_times_the_mean_over_layers_of_the_mean_over_scales():
    real = output([[0.0]], [[1.0, 2.0], [3.0, 4.0]], [[5.0]])
    fake = output([[9.0]], [[1.0, 1.0], [3.0, 2.0]], [[7.0]])
    # layers differ by (0 + 1 + 0 + 2) / 4 and 2
    assert feature_matching_loss([real], [fake]) == 4 / 2 * (0.75 + 2)
    assert feature_matching_loss([real, real], [fake, real]) == 4 / 2 * (0.75 + 2) / 2


def test_feature_matching_pulls_the_fake_to_the_real_and_not_back():
    real, fake = (torch.full((1, 1, 1, 1), x, requires_grad=True) for x in (1.0, 3.0))
    logits = torch.zeros(1, 1, 1, 1)
    feature_matching_loss(
        [DiscriminatorOutput(logits, (real,))], [DiscriminatorOutput(logits, (fake,))]
    ).backward()
    assert real.grad is None
    assert fake.grad.item() == 4


def test_scales_must_be_as_many_for_real_and_fake():
    with pytest.raises(ValueError, match="zip"):
        adversarial_discriminator_loss([ONES, ONES], [ZEROS])
    with pytest.raises(ValueError, match="zip"):
        feature_matching_loss([SAME], [SAME, SAME])


def test_half_precision_is_added_up_in_full():
    logits = torch.full((1, 1, 2, 2), 1.0, dtype=torch.bfloat16)
    features = (torch.full((1, 1, 2, 2), 3.0, dtype=torch.bfloat16),)
    for loss in (
        adversarial_generator_loss([DiscriminatorOutput(logits, features)]),
        feature_matching_loss(
            [DiscriminatorOutput(logits, features)], [DiscriminatorOutput(logits, features)]
        ),
    ):
        assert loss.dtype == torch.float32
        assert loss == 0


class Slices(nn.Module):
    """Stands for the perceptual network: `count` slices, each the image times its number."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, images):
        return [images * number for number in range(1, self.count + 1)]


def perceptual(fake, real, count):
    return perceptual_loss(
        Slices(count), torch.full((1, 3, 2, 2), fake), torch.full((1, 3, 2, 2), real)
    )


def test_later_slices_count_twice_as_much_but_the_last_four_times():
    assert perceptual(1.0, -1.0, 1) == 2 / 32
    assert perceptual(1.0, -1.0, 3) == 2 * (1 / 32 + 2 / 16 + 3 / 8)
    assert perceptual(1.0, -1.0, 5) == 2 * (1 / 32 + 2 / 16 + 3 / 8 + 4 / 4 + 5)
    assert perceptual(0.5, 0.5, 5) == 0


def test_the_perceptual_loss_pulls_the_fake_to_the_real_and_not_back():
    fake, real = (torch.full((1, 3, 1, 1), x, requires_grad=True) for x in (1.0, 0.0))
    perceptual_loss(Slices(1), fake, real).backward()
    assert real.grad is None
    assert fake.grad.flatten().tolist() == pytest.approx([1 / 32 / 3] * 3)


def weighted(weight):
    fake = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None].repeat(1, 3, 1, 1)
    real = torch.tensor([[1.0, 1.0], [1.0, 1.0]])[None, None].repeat(1, 3, 1, 1)
    return weighted_l1_loss(fake, real, torch.tensor(weight)[None, None])


def test_l1_with_equal_weights_is_l1():
    assert weighted([[1.0, 1.0], [1.0, 1.0]]) == (0 + 1 + 2 + 3) / 4
    assert weighted([[5.0, 5.0], [5.0, 5.0]]) == (0 + 1 + 2 + 3) / 4


def test_l1_counts_a_pixel_as_often_as_its_weight_says():
    assert weighted([[1.0, 1.0], [1.0, 5.0]]) == (0 + 1 + 2 + 5 * 3) / 8
    assert weighted([[0.0, 0.0], [1.0, 0.0]]) == 2


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
