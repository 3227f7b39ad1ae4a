"""Patches are judged each on its own, at every scale, with all activations handed back."""

import pytest
import torch

from motiontransfer.models.discriminators import (
    MultiscaleDiscriminator,
    split_real_fake,
)
from motiontransfer.models.layers import initialise


def discriminator(**changes):
    torch.manual_seed(3)
    numbers = {
        **{"condition_channels": 4, "image_channels": 3},
        **{"num_filters": 4, "num_layers": 2, "num_scales": 2},
    }
    return MultiscaleDiscriminator(**{**numbers, **changes}).apply(initialise)


def shown(batch=1, size=(64, 48)):
    torch.manual_seed(4)
    return torch.randn(batch, 4, *size), torch.randn(batch, 3, *size)


def test_maps_have_the_sizes_that_the_layers_give():
    """Kernel 4, padding 2: stride 2 takes n to n // 2 + 1, stride 1 to n + 1; scales halve n."""
    fine, coarse = discriminator()(*shown())
    assert [tuple(f.shape[1:]) for f in fine.features] == [(4, 33, 25), (8, 17, 13), (16, 18, 14)]
    assert fine.logits.shape == (1, 1, 19, 15)
    assert [tuple(f.shape[1:]) for f in coarse.features] == [(4, 17, 13), (8, 9, 7), (16, 10, 8)]
    assert coarse.logits.shape == (1, 1, 11, 9)


@pytest.mark.parametrize("num_layers", [1, 3, 5])
def test_features_are_of_every_layer_before_the_last_and_widths_stop_at_eightfold(num_layers):
    (output,) = discriminator(num_layers=num_layers, num_scales=1)(*shown())
    widths = [4, 8, 16, 32, 32, 32]
    assert [f.shape[1] for f in output.features] == widths[: num_layers + 1]


def test_coarse_scales_see_the_means_of_a_smaller_picture():
    network = discriminator()
    condition, images = shown()
    pooled = [
        torch.nn.functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        for x in (condition, images)
    ]
    alone = network.scales[1](*pooled)
    assert torch.equal(network(condition, images)[1].logits, alone.logits)


def test_batches_judged_in_one_pass_are_judged_as_one_by_one():
    network = discriminator()
    condition, real = shown(batch=2)
    fake = torch.randn_like(real)
    for together, alone in zip(
        split_real_fake(network(condition, torch.cat([real, fake]))),
        (network(condition, real), network(condition, fake)),
        strict=True,
    ):
        assert len(together) == len(alone) == 2
        for a, b in zip(together, alone, strict=True):
            assert torch.allclose(a.logits, b.logits, atol=1e-5)
            assert len(a.features) == 3
            for x, y in zip(a.features, b.features, strict=True):
                assert torch.allclose(x, y, atol=1e-4)


def test_the_judges_of_half_the_size_go_on_at_their_sizes_and_the_finest_stays():
    network, trained = discriminator(num_scales=3), discriminator(num_scales=2)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1)
    finest = network.scales[0].last.weight.clone()
    network.start_from(trained)
    condition, images = shown(size=(128, 96))
    half = [
        torch.nn.functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        for x in (condition, images)
    ]
    for judged, expected in zip(network(condition, images)[1:], trained(*half), strict=True):
        assert torch.equal(judged.logits, expected.logits)
    assert torch.equal(network.scales[0].last.weight, finest)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"num_scales": 3}, "expected discriminators at 2 scales, one fewer than here, got 3"),
        ({"num_scales": 1}, "expected discriminators at 2 scales, one fewer than here, got 1"),
        ({"num_filters": 8}, "expected the same layers"),
        ({"num_layers": 1}, "expected the same layers"),
    ],
)
def test_other_judges_are_refused(changes, text):
    network = discriminator(num_scales=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=text):
        network.start_from(discriminator(**changes))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_condition_matters():
    network = discriminator()
    condition, images = shown()
    before, after = network(condition, images)[0], network(condition.flip(3), images)[0]
    assert not torch.allclose(before.logits, after.logits, atol=1e-4)


def test_a_patch_is_judged_by_its_surroundings():
    """A change in one corner of the first layer's input leaves its far activations as they were."""
    network = discriminator(num_scales=1)
    condition, images = shown()
    changed = images.clone()
    changed[:, :, :8, :8] += 1
    before, after = (network(condition, x)[0].features[0] for x in (images, changed))
    moved = (before != after).any(1)[0]
    # patch k sees pixels 2k - 2 to 2k + 1
    assert moved[:5, :5].all()
    assert not moved[5:].any()
    assert not moved[:, 5:].any()


def test_every_weight_gets_a_gradient():
    network = discriminator()
    outputs = network(*shown())
    sum((j.logits * torch.randn_like(j.logits)).sum() for j in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(p.grad.any() for n, p in network.named_parameters() if n.endswith("weight"))


def test_channels_last_memory_changes_no_output():
    network = discriminator()
    condition, images = shown(batch=2)
    expected = network(condition, images)
    network.to(memory_format=torch.channels_last)
    for output, other in zip(network(condition, images), expected, strict=True):
        assert torch.allclose(output.logits, other.logits, atol=1e-5)


def test_it_overfits_one_real_and_one_fake_picture():
    network = discriminator(num_filters=8)
    condition, real = shown(size=(32, 32))
    both = torch.cat([real, real.flip(1)])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.5, 0.999))
    losses = []
    for _ in range(80):
        of_real, of_fake = split_real_fake(network(condition, both))
        loss = sum(
            (r.logits - 1).square().mean() + f.logits.square().mean()
            for r, f in zip(of_real, of_fake, strict=True)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
