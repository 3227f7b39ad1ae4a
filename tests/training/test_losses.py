"""Losses, worked out by hand."""

import pytest
import torch

from motiontransfer.nets.discriminators import Judgement
from motiontransfer.training.losses import (
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
    weighted_l1_loss,
)


def judgement(logits, *features):
    return Judgement(
        logits=torch.tensor(logits)[None, None],
        features=tuple(torch.tensor(feature)[None, None] for feature in features),
    )


ONES, ZEROS = judgement([[1.0, 1.0], [1.0, 1.0]]), judgement([[0.0, 0.0], [0.0, 0.0]])
# (-1)^2 + 0 + 1 + 9 over four patches
MIXED = judgement([[0.0, 1.0], [2.0, 4.0]])
SAME = judgement([[0.0]], [[1.0, 2.0], [3.0, 4.0]], [[5.0]])


def test_a_generator_that_is_believed_has_no_loss():
    assert adversarial_generator_loss([ONES, ONES]) == 0
    assert adversarial_generator_loss([ZEROS]) == 1
    assert adversarial_generator_loss([MIXED]) == 11 / 4


def test_scales_count_alike_whatever_their_size():
    assert adversarial_generator_loss([MIXED, ONES, judgement([[0.0]])]) == pytest.approx(
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


def test_equal_features_match():
    assert feature_matching_loss([SAME], [SAME]) == 0


def test_feature_matching_is_four_times_the_mean_over_layers_of_the_mean_over_scales():
    real = judgement([[0.0]], [[1.0, 2.0], [3.0, 4.0]], [[5.0]])
    fake = judgement([[9.0]], [[1.0, 1.0], [3.0, 2.0]], [[7.0]])
    # layers differ by (0 + 1 + 0 + 2) / 4 and 2
    assert feature_matching_loss([real], [fake]) == 4 / 2 * (0.75 + 2)
    assert feature_matching_loss([real, real], [fake, real]) == 4 / 2 * (0.75 + 2) / 2


def test_feature_matching_pulls_the_fake_to_the_real_and_not_back():
    real, fake = (torch.full((1, 1, 1, 1), x, requires_grad=True) for x in (1.0, 3.0))
    logits = torch.zeros(1, 1, 1, 1)
    feature_matching_loss([Judgement(logits, (real,))], [Judgement(logits, (fake,))]).backward()
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
        adversarial_generator_loss([Judgement(logits, features)]),
        feature_matching_loss([Judgement(logits, features)], [Judgement(logits, features)]),
    ):
        assert loss.dtype == torch.float32
        assert loss == 0


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
