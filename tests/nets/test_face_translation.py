"""The networks of the face cycle are those of its paper, and every parameter is trained."""

import pytest
import torch

from motiontransfer.models.faces import (
    FaceDiscriminator,
    FaceDiscriminators,
    FaceTranslator,
    FaceTranslatorConfig,
    FaceTranslators,
)
from motiontransfer.models.layers import count_parameters, initialise


def config(**changes):
    numbers = {"crop_size": 32, "num_filters": 4, "num_downsamplings": 1, "num_residual_blocks": 1}
    return FaceTranslatorConfig(**{**numbers, "upsampling": "resize", **changes})


def faces(seed, count=2):
    return torch.rand((count, 3, 32, 32), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_translator_is_as_large_as_its_paper_has_it():
    """c7s1-64, d128, d256, nine R256, u128, u64, c7s1-3, with biases."""
    network = FaceTranslator(
        config(num_filters=64, num_downsamplings=2, num_residual_blocks=9, upsampling="transposed")
    )
    convolutions = (
        *((3, 64, 7), (64, 128, 3), (128, 256, 3)),
        *[(256, 256, 3)] * 18,
        *((256, 128, 3), (128, 64, 3), (64, 3, 7)),
    )
    assert count_parameters(network) == sum(n * m * k * k + m for n, m, k in convolutions)


def test_a_judge_is_as_large_as_its_paper_has_it():
    """C64-C128-C256-C512 and one channel of scores."""
    convolutions = ((3, 64), (64, 128), (128, 256), (256, 512), (512, 1))
    expected = sum(n * m * 16 + m for n, m in convolutions)
    assert count_parameters(FaceDiscriminator(num_filters=64, num_layers=3)) == expected


@pytest.mark.parametrize(("num_layers", "patches"), [(1, 14), (2, 6), (3, 2)])
def test_a_judge_scores_patches_without_a_condition(num_layers, patches):
    (judgement,) = FaceDiscriminator(num_filters=4, num_layers=num_layers)(faces(0))
    assert judgement.logits.shape == (2, 1, patches, patches)


def test_translations_go_there_and_back():
    torch.manual_seed(0)
    translators = FaceTranslators(config()).apply(initialise)
    source, target = faces(1), faces(2)
    made = translators(source, target)
    assert torch.equal(made.to_target, translators.to_target(source))
    assert torch.equal(made.to_source, translators.to_source(target))
    assert torch.equal(made.back_to_source, translators.to_source(made.to_target))
    assert torch.equal(made.back_to_target, translators.to_target(made.to_source))
    assert not torch.equal(made.back_to_source, source)
    for images in made:
        assert images.shape == source.shape
        assert images.abs().max() < 1


def test_each_person_has_a_judge():
    judges = FaceDiscriminators(num_filters=4, num_layers=1)
    source, target = judges(faces(1), faces(2))
    assert torch.equal(source[0].logits, judges.of_source(faces(1))[0].logits)
    assert torch.equal(target[0].logits, judges.of_target(faces(2))[0].logits)
    assert not torch.equal(judges.of_target(faces(1))[0].logits, source[0].logits)


def test_every_parameter_gets_a_gradient():
    translators, judges = FaceTranslators(config()), FaceDiscriminators(num_filters=4, num_layers=1)
    made = translators(faces(1), faces(2))
    judged = judges(made.back_to_source, made.back_to_target)
    sum(judgement.logits.square().mean() for (judgement,) in judged).backward()
    for module in (translators, judges):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0 or name.endswith("bias"), name
