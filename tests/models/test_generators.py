from functools import partial

import pytest
import torch
from torch import nn

from motiontransfer.models import generators, layers
from motiontransfer.models.choices import HAS_IMAGE
from motiontransfer.models.generators import ARCHITECTURES
from motiontransfer.pose.boxes import Viewport
from tests.models.published import giga_macs
from tests.training.small import Uniform, generator_config

UPSAMPLING = {"resize": layers.ResizeConvolution, "transposed": nn.ConvTranspose2d}
SIZE = (20, 28)

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
every_background = pytest.mark.parametrize("background", HAS_IMAGE)


def small(architecture, *, upsampling=None, max_channels=8, num_blocks=1, **changes):
    torch.manual_seed(1)
    numbers = {"num_filters": 4, "num_downsamplings": 2, "num_residual_blocks": num_blocks}
    usual = "resize" if architecture == "fast" else "transposed"
    config = generators.EncoderDecoderConfig(**{**numbers, **changes})
    shape = config.shape(upsampling or usual, max_channels=max_channels)
    return ARCHITECTURES[architecture](5, 4, shape).apply(layers.initialize)


def weights_without_gradient(network):
    named = network.named_parameters()
    return [name for name, p in named if name.endswith("weight") and not p.grad.any()]


@every_architecture
@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize(
    ("size", "num_blocks"), [((32, 32), 0), ((37, 50), 1), ((33, 17), 1)], ids=str
)
def test_any_size_is_kept_and_each_weight_gets_a_gradient(
    architecture, upsampling, size, num_blocks
):
    network = small(architecture, upsampling=upsampling, num_blocks=num_blocks)
    output = network(torch.randn(2, 5, *size))
    assert output.shape == (2, 4, *size)
    (output * torch.randn_like(output)).sum().backward()
    assert weights_without_gradient(network) == []
    kinds = {type(module) for module in network.modules()} & {*UPSAMPLING.values()}
    assert kinds == {UPSAMPLING[upsampling]}


@every_architecture
def test_neither_batch_nor_memory_format_changes_the_output(architecture):
    network = small(architecture)
    batch = torch.randn(2, 5, 32, 40)
    expected = torch.cat([network(sample[None]) for sample in batch])
    assert torch.allclose(network(batch), expected, atol=1e-5)
    network.to(memory_format=torch.channels_last)
    assert torch.allclose(network(batch), expected, atol=1e-5)


@every_architecture
@pytest.mark.parametrize(("max_channels", "expected"), [(None, 4 * 2**3), (12, 12)])
def test_channels_double_up_to_their_cap(architecture, max_channels, expected):
    network = small(architecture, num_downsamplings=3, max_channels=max_channels)
    blocks = [m for m in network.modules() if isinstance(m, layers.ResidualBlock)]
    assert max(block.body[1].out_channels for block in blocks) == expected


def test_the_fast_generator_has_skip_connections():
    """With a zero decoder its output still follows its input."""
    network = small("fast")
    for parameter in network.up.parameters():
        nn.init.zeros_(parameter)
    inputs = torch.randn(1, 5, 32, 32)
    changed = inputs.clone()
    changed[:, :, 16, 16] += 5
    differs = (network(inputs) != network(changed)).any(1)[0]
    assert differs[16, 16]
    assert not differs[:4].any()


class Recorder(nn.Module):
    """Stands for a network: returns a fixed output and records its input."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, features):
        self.input = features
        return self.output


def test_the_local_enhancer_adds_the_features_of_both_resolutions():
    network, image = small("local"), torch.randn(1, 5, 24, 32)
    fine, coarse = torch.randn(2, 1, 4, 12, 16)
    network.down, network.coarse = Recorder(fine), Recorder(coarse)
    network.up = Recorder(torch.zeros(1, 2, 24, 32))
    network(image)
    assert torch.equal(network.coarse.input, layers.downsample_by_2(image))
    assert torch.equal(network.up.input, fine + coarse)
    assert network.head[1].in_channels == 2  # half as many channels at twice the size


PAPER = generators.EncoderDecoderConfig(num_filters=64, num_downsamplings=4, num_residual_blocks=9)


@pytest.mark.parametrize(
    ("architecture", "max_channels", "size", "millions", "macs", "last_digit"),
    [
        ("global", 1024, (256, 512), 182.46, 110, 1),
        ("global", 512, (256, 512), 50.3, 42.4, 0.1),
        ("local", 1024, (512, 1024), 182.7, 150, 1),
    ],
)
def test_parameters_and_cost_are_the_published_ones(
    architecture, max_channels, size, millions, macs, last_digit
):
    with torch.device("meta"):
        shape = PAPER.shape("transposed", max_channels=max_channels)
        network = ARCHITECTURES[architecture](6, 3, shape)
    assert layers.count_parameters(network) / 1e6 == pytest.approx(millions, abs=0.05)
    assert giga_macs(network, (6, *size)) == pytest.approx(macs, abs=last_digit / 2)


def inputs(batch=2):
    return torch.rand(batch, 4, *SIZE), torch.rand(batch, 3, *SIZE)


def colour(*values):
    return torch.tensor(values)[:, None, None]


BACKGROUND_IMAGE = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ((5.0, -5.0, 1.0, -200.0), lambda room: room),
        ((0.5, -0.5, 0.0, 200.0), lambda _: colour(0.5, -0.5, 0.0).tanh()),
        ((100.0, 100.0, 100.0, 0.0), lambda room: (room + 1) / 2),
    ],
    ids=["mask 0", "mask 1", "mask one half"],
)
def test_the_foreground_is_composited_over_the_background_image(output, shown):
    generator = generators.FrameGenerator(Uniform(*output), BACKGROUND_IMAGE)
    expected = shown(BACKGROUND_IMAGE).expand(2, 3, *SIZE)
    assert torch.allclose(generator(*inputs()).frame, expected, atol=1e-6)


def test_without_a_background_image_all_is_generated():
    frame = generators.FrameGenerator(Uniform(0.5, 100.0, -100.0))(*inputs()).frame
    assert torch.allclose(frame, colour(0.5, 100.0, -100.0).tanh().expand_as(frame), atol=1e-6)


def test_the_mask_is_the_persons_share_the_rest_is_the_rooms():
    """Of two rooms, each shows through as much as the mask leaves."""
    rooms = (torch.full((3, *SIZE), shade) for shade in (-0.5, 0.7))
    network = Uniform(0.4, -0.3, 0.8, 0.7)
    generated = (generators.FrameGenerator(network, room)(*inputs()) for room in rooms)
    (first, mask), (second, same) = generated
    assert torch.equal(mask, same)
    assert torch.allclose(second - first, (1 - mask) * torch.tensor(1.2), atol=1e-6)


config = partial(generator_config, size=SIZE, pose_channels=4)


def built(**changes):
    shape = config(**changes)
    image = BACKGROUND_IMAGE if shape.has_background_image else None
    return generators.build_generator(shape, background_image=image)


@every_architecture
@pytest.mark.parametrize("previous_frame", ["generated", "none"])
@every_background
def test_frames_come_from_poses_and_the_previous_frame(architecture, background, previous_frame):
    how = {"architecture": architecture, "background": background}
    generator = built(**how, previous_frame=previous_frame, conditioning_poses=2)
    pose_map, previous = torch.rand(2, 8, *SIZE), torch.rand(2, 3, *SIZE)
    frames = generator(pose_map, previous).frame
    assert frames.shape == (2, 3, *SIZE)
    assert frames.abs().max() <= 1
    frames.square().sum().backward()
    assert weights_without_gradient(generator) == []
    assert isinstance(generator.network, ARCHITECTURES[architecture])
    assert ("background_image" in generator.state_dict()) == HAS_IMAGE[background]
    assert not torch.equal(frames, generator(pose_map.flip(1), previous).frame)
    changed = generator(pose_map, previous.flip(1)).frame
    assert torch.equal(frames, changed) == (previous_frame == "none")


@pytest.mark.parametrize(
    ("background", "image"),
    [("plate", None), ("plate", torch.zeros(3, 28, 20)), ("generated", BACKGROUND_IMAGE)],
)
def test_the_background_image_must_fit(background, image):
    with pytest.raises(ValueError, match=f"background '{background}'"):
        generators.build_generator(config(background=background), background_image=image)


@every_background
def test_a_local_enhancer_starts_from_a_trained_global_generator(background):
    local = built(architecture="local", background=background)
    trained = built(architecture="global", background="generated")
    head = local.network.head[1].weight.clone()
    generators.start_from_global(local, trained)
    half = torch.randn(1, 7, 10, 14)
    expected = trained.network.features(half)
    assert torch.equal(local.network.coarse(half), expected)
    assert torch.equal(local.network.head[1].weight, head)
    with torch.no_grad():
        for parameter in local.parameters():
            parameter.add_(1)
    assert torch.equal(trained.network.features(half), expected)  # copied, not shared


@pytest.mark.parametrize("texture", ["none", "puppet"])
def test_a_shadow_of_one_coarse_pixel_is_spread_over_nine(texture):
    """Dots that cancel each other leave no trace."""
    generator = built(viewport=Viewport(margin_px=1.0, multiple_of=4), texture=texture)
    dot = torch.zeros(1, 3, 8, 8)
    dot[..., 4, 4] = -0.9
    generator.shadows = Recorder(dot)
    change = generator.scene(torch.zeros(1, 1, 8, 8)) - generator.background_image
    assert change.min().item() == pytest.approx(-0.1)
