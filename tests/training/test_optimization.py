import pytest
import torch
from torch import nn

from motiontransfer.training.gan import GanTask
from motiontransfer.training.params import GanConfig
from tests.training.small import runtime


class One(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


class Task(GanTask):
    """Whose step is taken by the test."""

    def step(self, batch, *, step, learning_rate): ...

    def sample(self, dataset): ...


def task_of(generator, discriminator, *, ema_decay):
    config = GanConfig(ema_decay=ema_decay)
    return Task(runtime(), generator, discriminator, config=config)


def numbers(*, decay=0.0):
    return task_of(One(1.0), One(2.0), ema_decay=decay)


def step(pair, generator_loss, discriminator_loss, *, number=0, rate=0.1):
    losses = {"generator": {"a": generator_loss}, "discriminator": {"b": discriminator_loss}}
    return pair.update(losses, step=number, learning_rate=rate)


def values(pair):
    return pair.generator.value.item(), pair.discriminator.value.item()


@pytest.mark.parametrize(
    ("losses", "after"),
    [
        (lambda g, d: (g * d, 0 * d), (0.9, 2)),
        (lambda g, d: (0 * g, g * d), (1, 1.9)),
        # at g = 1 the discriminator's gradient is 0; after the generator's step it would not be
        (lambda g, d: (g * d, (g - 1) * d), (0.9, 2)),
    ],
)
def test_each_network_is_moved_by_its_own_losses_at_the_weights_before_the_step(losses, after):
    pair = numbers()
    step(pair, *losses(pair.generator.value, pair.discriminator.value))
    assert values(pair) == pytest.approx(after)


def test_the_sum_of_the_losses_is_what_counts():
    pair = numbers()
    g, d = pair.generator.value, pair.discriminator.value
    of_both = {"generator": {"a": 3 * g, "b": -5 * g}, "discriminator": {"c": d, "e": -d}}
    losses = pair.update(of_both, step=0, learning_rate=0.1)
    assert values(pair) == (pytest.approx(1.1), 2)
    assert not any(loss.requires_grad for loss in losses.values())
    named = {name: loss.item() for name, loss in losses.items()}
    of_generator = {"generator/a": 3, "generator/b": -5}
    assert named == {**of_generator, "discriminator/c": 2, "discriminator/e": -2}


@pytest.mark.parametrize(
    ("gradients", "rates", "expected"),
    [
        ((2, 2, 2), (0.5, 0.0, 0.25), (0.5, 0.5, 0.25)),
        # Adam remembers half of the last gradient: m = 0.5 * 0.5 - 0.5, over 1 - 0.5^2; v is 1
        ((1, -1), (0.1, 0.1), (0.9, 0.9 + 0.1 * 0.25 / 0.75)),
    ],
)
def test_the_learning_rate_is_that_of_the_step(gradients, rates, expected):
    pair = numbers()
    for gradient, rate, value in zip(gradients, rates, expected, strict=True):
        step(pair, gradient * pair.generator.value, 0 * pair.discriminator.value, rate=rate)
        assert pair.generator.value.item() == pytest.approx(value, abs=1e-5)


def test_the_average_starts_fast_and_then_follows_its_decay():
    pair = numbers(decay=0.5)
    assert not any(parameter.requires_grad for parameter in pair.ema.parameters())
    average = 1.0
    for number, decay in ((0, 1 / 10), (1, 2 / 11), (5, 6 / 15), (8, 0.5), (1000, 0.5)):
        g, d = pair.generator.value, pair.discriminator.value
        step(pair, g * 1, 0 * d, number=number)
        average = decay * average + (1 - decay) * pair.generator.value.item()
        assert pair.ema.value.item() == pytest.approx(average)


def convolutions(memory_format):
    torch.manual_seed(0)
    pair = (nn.Conv2d(3, 4, 3).to(memory_format=memory_format) for _ in range(2))
    return task_of(*pair, ema_decay=0.5)


def train_convolutions(pair, steps):
    for number in steps:
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(number))
        networks = (pair.generator, pair.discriminator)
        losses = (network(images).square().mean() for network in networks)
        step(pair, *losses, number=number, rate=0.01)


def test_a_memory_format_changes_neither_a_step_nor_a_state_put_back():
    plain, other, resumed = (
        convolutions(it) for it in (torch.contiguous_format, *[torch.channels_last] * 2)
    )
    assert plain.state().keys() == other.state().keys()
    train_convolutions(plain, range(6))
    train_convolutions(other, range(3))
    resumed.load_state({name: x.clone().contiguous() for name, x in other.state().items()})
    train_convolutions(other, range(3, 6))
    train_convolutions(resumed, range(3, 6))
    for name, expected in plain.state().items():
        assert torch.allclose(other.state()[name], expected, atol=1e-5), name
        assert torch.equal(resumed.state()[name], other.state()[name]), name
