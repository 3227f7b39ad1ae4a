"""Generators: sizes, gradients, published costs; compositing; coarse-to-fine; roll-out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.models.generators import (
    EncoderDecoderConfig,
    FastGenerator,
    FrameGenerator,
    Generated,
    GeneratorConfig,
    GlobalGenerator,
    HalfResolutionGenerator,
    LocalEnhancer,
    build_generator,
    start_from_global,
)
from motiontransfer.models.layers import (
    ResidualBlock,
    ResizeConvolution,
    SubpixelConvolution,
    count_parameters,
    downsample_by_2,
    initialise,
)
from motiontransfer.models.roll_out import StreamingRollOut, coarse_size, draw_coarse, roll_out
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.rendering import draw_poses
from motiontransfer.pose.viewport import Viewport, place_viewport
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.video.tensors import levels_to_textures
from tests.dancer import dance, puppet_of
from tests.models.published import giga_macs

ARCHITECTURES = {"fast": FastGenerator, "global": GlobalGenerator, "local": LocalEnhancer}
UPSAMPLING = {
    "resize": ResizeConvolution,
    "transposed": nn.ConvTranspose2d,
    "subpixel": SubpixelConvolution,
}
SIZE = (20, 28)

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
every_background = pytest.mark.parametrize("background", ["plate", "generated"])


def small(architecture, *, seed=1, num_filters=4, num_downsamplings=2, num_blocks=1, **options):
    torch.manual_seed(seed)
    config = EncoderDecoderConfig(
        num_filters=num_filters, num_downsamplings=num_downsamplings, num_residual_blocks=num_blocks
    )
    return ARCHITECTURES[architecture](5, 4, config, **{"max_channels": 8, **options}).apply(
        initialise
    )


def weights_without_gradient(network):
    named = network.named_parameters()
    return [name for name, p in named if name.endswith("weight") and not p.grad.any()]


@every_architecture
@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize(
    ("size", "num_blocks"), [((32, 32), 0), ((37, 50), 1), ((33, 17), 1)], ids=str
)
def test_any_size_is_kept_and_every_weight_gets_a_gradient(
    architecture, upsampling, size, num_blocks
):
    network = small(architecture, upsampling=upsampling, num_blocks=num_blocks)
    output = network(torch.randn(2, 5, *size))
    assert output.shape == (2, 4, *size)
    (output * torch.randn_like(output)).sum().backward()
    assert weights_without_gradient(network) == []
    kinds = {
        name for name, kind in UPSAMPLING.items() for m in network.modules() if type(m) is kind
    }
    assert kinds == {upsampling}


@pytest.mark.parametrize(("architecture", "width"), [("fast", 40), ("global", 36), ("local", 40)])
def test_padding_replicates_the_right_and_lower_edge(architecture, width):
    network = small(architecture)
    padded = torch.randn(1, 5, 32, width)
    padded[:, :, 29:], padded[:, :, :, 33:] = padded[:, :, 28:29], padded[:, :, :, 32:33]
    output = network(padded[:, :, :29, :33])
    assert torch.allclose(output, network(padded)[:, :, :29, :33], atol=1e-6)


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
    blocks = [m for m in network.modules() if isinstance(m, ResidualBlock)]
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


def test_the_global_generator_equals_pix2pixhds_sequence_of_layers():
    network = small("global")
    torch.manual_seed(1)
    reference = nn.Sequential(
        *(nn.ReflectionPad2d(3), nn.Conv2d(5, 4, 7), nn.InstanceNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8), nn.ReLU()),
        ResidualBlock(8),
        nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1),
        *(nn.InstanceNorm2d(8), nn.ReLU()),
        nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1),
        *(nn.InstanceNorm2d(4), nn.ReLU()),
        *(nn.ReflectionPad2d(3), nn.Conv2d(4, 4, 7)),
    ).apply(initialise)
    for a, b in zip(network.parameters(), reference.parameters(), strict=True):
        assert torch.equal(a, b)
    conditioning = torch.randn(2, 5, 32, 36)
    assert torch.equal(network(conditioning), reference(conditioning))


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
    assert torch.equal(network.coarse.input, downsample_by_2(image))
    assert torch.equal(network.up.input, fine + coarse)
    assert network.head[1].in_channels == 2  # half as many channels at twice the size


PAPER = EncoderDecoderConfig(num_filters=64, num_downsamplings=4, num_residual_blocks=9)


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
        network = ARCHITECTURES[architecture](6, 3, PAPER, max_channels=max_channels)
    assert count_parameters(network) / 1e6 == pytest.approx(millions, abs=0.05)
    assert giga_macs(network, (6, *size)) == pytest.approx(macs, abs=last_digit / 2)


@pytest.mark.slow
@every_architecture
def test_it_overfits_one_pair(architecture):
    network = small(architecture, num_filters=16, max_channels=32)
    random = torch.Generator().manual_seed(9)
    conditioning = torch.rand((1, 5, 32, 32), generator=random)
    patches = torch.rand((1, 4, 4, 4), generator=random) * 2 - 1
    target = nn.functional.interpolate(patches, scale_factor=8, mode="bilinear")
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.5, 0.999))
    losses = []
    for _ in range(150):
        loss = (torch.tanh(network(conditioning)) - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.25 * np.mean(losses[:5])


class Constant(nn.Module):
    """Stands for a network: returns the same values everywhere and records its input."""

    def __init__(self, *values):
        super().__init__()
        values = torch.tensor(values)[None, :, None, None]
        self.values = nn.Parameter(values, requires_grad=False)

    def forward(self, conditioning):
        self.input = conditioning
        batch, _, height, width = conditioning.shape
        return self.values.expand(batch, -1, height, width)


def inputs(batch=2):
    return torch.rand(batch, 4, *SIZE), torch.rand(batch, 3, *SIZE)


def colour(*values):
    return torch.tensor(values)[None, :, None, None].expand(2, 3, *SIZE)


def texture_of(*values):
    return torch.tensor(values)[None, :, None, None].expand(2, 6, *SIZE)


BACKGROUND_IMAGE = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ((5.0, -5.0, 1.0, -200.0), BACKGROUND_IMAGE.expand(2, -1, -1, -1)),
        ((0.5, -0.5, 0.0, 200.0), colour(0.5, -0.5, 0.0).tanh()),
        ((100.0, 100.0, 100.0, 0.0), (BACKGROUND_IMAGE + 1).expand(2, -1, -1, -1) / 2),
    ],
    ids=["mask 0", "mask 1", "mask one half"],
)
def test_the_foreground_is_composited_over_the_background_image(output, expected):
    generator = FrameGenerator(Constant(*output), BACKGROUND_IMAGE)
    assert torch.allclose(generator(*inputs()).frame, expected, atol=1e-6)


def test_without_a_background_image_the_output_is_squashed():
    generator = FrameGenerator(Constant(0.5, 100.0, -100.0))
    assert torch.equal(generator(*inputs()).frame, colour(0.5, 100.0, -100.0).tanh())


TEXTURE = (0.3, -0.2, 0.1, 0.5, 0.4, 0.0)
"""Half covered by a puppet of the colours 0.6, -0.4 and 0.2, of little confidence."""


@pytest.mark.parametrize(
    ("gate", "expected"),
    [(-200.0, (0.5, 0.5, -0.5)), (200.0, (0.55, 0.05, -0.15))],
    ids=["all painted", "the puppet before it"],
)
def test_the_gate_takes_from_the_puppet_as_far_as_it_covers(gate, expected):
    painted = colour(0.5, 0.5, -0.5)
    foreground = painted[0, :, 0, 0].atanh().tolist()
    generator = FrameGenerator(Constant(*foreground, 200.0, gate), BACKGROUND_IMAGE)
    made = generator(*inputs(), None, texture_of(*TEXTURE))
    assert torch.allclose(made.painted, painted, atol=1e-6)
    assert torch.allclose(made.frame, colour(*expected), atol=1e-6)


def test_of_what_is_kept_the_gate_adds_to_the_confidence():
    kept = (0.6, -0.4, 0.2, 1.0, 0.75, 0.75)
    for gate, share in ((-200.0, 0.75), (-2.0, 0.875), (200.0, 1.0)):  # a bias of 2 is added
        generator = FrameGenerator(Constant(0.0, 0.0, 0.0, 200.0, gate), BACKGROUND_IMAGE)
        made = generator(*inputs(), None, texture_of(*kept))
        expected = colour(*(share * level for level in kept[:3]))
        assert torch.allclose(made.frame, expected, atol=1e-6)
        assert not made.painted.any()


@pytest.mark.parametrize("gate", [-200.0, 0.0, 200.0])
def test_where_the_puppet_covers_nothing_the_frame_is_painted(gate):
    generator = FrameGenerator(Constant(0.5, -0.5, 1.0, 0.3, gate), BACKGROUND_IMAGE)
    frame, painted = generator(*inputs(), None, texture_of(0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert torch.equal(frame, painted)
    assert torch.equal(painted, generator(*inputs()).painted)


@every_architecture
def test_with_a_texture_there_are_its_inputs_and_the_gate(architecture):
    generator, without = (
        built(architecture=architecture, texture=texture) for texture in ("puppet", "none")
    )
    pose_map, previous = inputs()
    texture = texture_of(*TEXTURE)
    frame, painted = generator(pose_map, previous, None, texture)
    assert frame.shape == painted.shape == (2, 3, *SIZE)
    assert max(frame.abs().max(), painted.abs().max()) <= 1
    assert not torch.equal(frame, painted)
    (frame + painted).square().sum().backward()
    assert weights_without_gradient(generator) == []
    for of, num_inputs, num_outputs in ((generator, 4 + 3 + 6, 5), (without, 4 + 3, 4)):
        assert of.network(torch.rand(1, num_inputs, *SIZE)).shape[1] == num_outputs


def config(**changes):
    values = {
        **{"architecture": "fast", "background": "plate", "pose_channels": 4, "num_filters": 4},
        **{"num_downsamplings": 1, "num_residual_blocks": 1, "max_channels": 8, "size": SIZE},
    }
    return GeneratorConfig(**{**values, **changes})


def built(**changes):
    shape = config(**changes)
    image = BACKGROUND_IMAGE if shape.background == "plate" else None
    return build_generator(shape, background_image=image)


@every_architecture
@every_background
@pytest.mark.parametrize("previous_frame", ["generated", "none"])
def test_frames_are_generated_from_poses_and_the_previous_frame(
    architecture, background, previous_frame
):
    generator = built(
        architecture=architecture,
        background=background,
        previous_frame=previous_frame,
        conditioning_poses=2,
    )
    pose_map, previous = torch.rand(2, 8, *SIZE), torch.rand(2, 3, *SIZE)
    frames, painted = generator(pose_map, previous)
    assert torch.equal(frames, painted)
    assert frames.shape == (2, 3, *SIZE)
    assert frames.abs().max() <= 1
    frames.square().sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
    assert isinstance(generator.network, ARCHITECTURES[architecture])
    assert ("plate" in generator.state_dict()) == (background == "plate")
    assert not torch.equal(frames, generator(pose_map.flip(1), previous).frame)
    changed, _ = generator(pose_map, previous.flip(1))
    assert torch.equal(frames, changed) == (previous_frame == "none")


@every_background
def test_the_networks_input_is_the_pose_map_then_the_previous_frame(background):
    network = Constant(*[0.0] * (4 if background == "plate" else 3))
    image = BACKGROUND_IMAGE if background == "plate" else None
    pose_map, previous = inputs()
    FrameGenerator(network, image)(pose_map, previous)
    assert torch.equal(network.input, torch.cat([pose_map, previous], dim=1))


@pytest.mark.parametrize(
    ("background", "image", "message"),
    [
        ("plate", None, r"'plate': expected .* of shape \(3, 20, 28\), got None"),
        ("plate", torch.zeros(3, 28, 20), r"\(3, 20, 28\), got \(3, 28, 20\)"),
        ("generated", BACKGROUND_IMAGE, r"'generated': .* None, got \(3, 20, 28\)"),
    ],
)
def test_the_background_image_must_fit(background, image, message):
    with pytest.raises(ValueError, match=message):
        build_generator(config(background=background), background_image=image)


@every_background
def test_a_local_enhancer_starts_from_a_trained_global_generator(background):
    local = built(architecture="local", background=background)
    trained = built(architecture="global", background="generated")
    head = local.network.head[1].weight.clone()
    start_from_global(local, trained)
    half = torch.randn(1, 7, 10, 14)
    expected = trained.network.features(half)
    assert torch.equal(local.network.coarse(half), expected)
    assert torch.equal(local.network.head[1].weight, head)
    with torch.no_grad():
        for parameter in local.parameters():
            parameter.add_(1)
    assert torch.equal(trained.network.features(half), expected)  # copied, not shared


def test_half_resolution_downsamples_the_input_and_upsamples_the_output():
    generator = built(architecture="global", background="generated", conditioning_poses=1)
    half = HalfResolutionGenerator(generator)
    pose_map, previous = inputs()
    small_frame, _ = generator(downsample_by_2(pose_map), torch.zeros(2, 3, 10, 14))
    first, _ = half(pose_map, torch.zeros_like(previous))
    assert first.shape == previous.shape
    assert torch.equal(first[:, :, ::2, ::2], small_frame)
    assert torch.equal(first[:, :, 1::2, 1::2], small_frame)
    second, _ = half(pose_map, first)
    expected, _ = generator(downsample_by_2(pose_map), small_frame)
    assert torch.equal(second[:, :, ::2, ::2], expected)


def test_at_half_resolution_the_texture_is_downsampled():
    generator = built(texture="puppet")
    pose_map, previous = inputs()
    texture = torch.rand(2, 6, *SIZE)
    generator.plate = generator.plate[:, ::2, ::2]
    made = HalfResolutionGenerator(generator)(pose_map, previous, None, texture)
    expected = generator(
        downsample_by_2(pose_map), previous[:, :, ::2, ::2], None, downsample_by_2(texture)
    )
    for image, small_image in zip(made, expected, strict=True):
        assert image.shape == previous.shape
        assert torch.equal(image[:, :, ::2, ::2], small_image)


FRAME_SIZE = (48, 40)
STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)


class Counter(FrameGenerator):
    """Adds one to the previous frame and records its inputs."""

    def __init__(self, conditioning_poses=1):
        super().__init__(nn.Conv2d(1, 1, 1), conditioning_poses=conditioning_poses)
        self.pose_maps, self.previous, self.inference = [], [], []

    def forward(self, pose_map, previous_frame, background=None, texture=None):
        self.pose_maps.append(pose_map.clone())
        self.previous.append(previous_frame.clone())
        self.inference.append(torch.is_inference_mode_enabled())
        return Generated(previous_frame + 1, previous_frame + 1)


def rolled_out(generator, keypoints, **options):
    return roll_out(
        generator,
        keypoints.points,
        keypoints.score,
        skeleton=HOLISTIC,
        size=FRAME_SIZE,
        style=STYLE,
        **options,
    )


@pytest.mark.parametrize("num_frames", [0, 1, 7, 8, 9, 19])
def test_each_frame_is_generated_from_the_one_before_and_the_first_from_zeros(num_frames):
    generator = Counter()
    frames = list(rolled_out(generator, dance(num_frames)))
    assert [frame.unique().tolist() for frame in frames] == [[k + 1] for k in range(num_frames)]
    assert all(frame.shape == (3, *FRAME_SIZE) for frame in frames)
    assert [p.unique().tolist() for p in generator.previous] == [[k] for k in range(num_frames)]


@pytest.mark.parametrize("num_poses", [1, 2, 3])
def test_each_frame_is_conditioned_on_its_own_pose_and_those_before(num_poses):
    """Also beyond the first chunk; before the first pose there are empty maps."""
    generator, keypoints = Counter(num_poses), dance(19)
    points = keypoints.points.copy()
    list(rolled_out(generator, keypoints))
    assert np.array_equal(keypoints.points, points)
    drawn = draw_poses(
        torch.from_numpy(keypoints.points),
        torch.from_numpy(keypoints.score),
        skeleton=HOLISTIC,
        size=FRAME_SIZE,
        style=STYLE,
    )
    empty = torch.zeros_like(drawn[0])
    assert len(generator.pose_maps) == 19
    for time, pose_map in enumerate(generator.pose_maps):
        past = range(time - num_poses + 1, time + 1)
        assert torch.equal(pose_map[0], torch.cat([drawn[t] if t >= 0 else empty for t in past]))


@pytest.mark.parametrize("viewport", [False, True])
@pytest.mark.parametrize("num_poses", [1, 3])
def test_poses_may_arrive_one_by_one(num_poses, viewport):
    """The boxes of the walk change, the puppet's references too."""
    torch.manual_seed(0)
    keypoints = dance(14)
    network = nn.Conv2d(num_poses * STYLE.num_channels + 9, 5, 3, padding=1)
    generator = FrameGenerator(
        network,
        torch.rand(3, *FRAME_SIZE),
        conditioning_poses=num_poses,
        viewport=VIEWPORT if viewport else None,
        shadows=Shadow() if viewport else None,
        puppet=puppet_of(keypoints, [0, 7]),
    )
    stream = StreamingRollOut(generator, skeleton=HOLISTIC, size=FRAME_SIZE, style=STYLE)
    for index, expected in enumerate(rolled_out(generator, keypoints)):
        one = slice(index, index + 1)
        (frame,) = stream.extend(keypoints.points[one], keypoints.score[one])
        torch.testing.assert_close(frame, expected, rtol=0, atol=1e-6)
    assert list(stream.extend(keypoints.points[:0], keypoints.score[:0])) == []


def test_roll_out_is_causal_and_lazy():
    generator = Counter()
    frames = rolled_out(generator, dance(12))
    next(frames)
    next(frames)
    assert len(generator.pose_maps) == 2
    short, long = (list(rolled_out(Counter(), dance(n))) for n in (3, 12))
    assert all(torch.equal(a, b) for a, b in zip(short, long, strict=False))


def test_inference_mode_and_autocast_do_not_leak_into_the_caller():
    generator = Counter()
    entered = []

    class Autocast:
        def __enter__(self):
            entered.append(True)

        def __exit__(self, *_):
            entered.append(False)

    for index, _ in enumerate(rolled_out(generator, dance(10), autocast=Autocast)):
        assert not torch.is_inference_mode_enabled()
        assert entered == [True, False] * (index + 1)
        assert torch.ones(1, requires_grad=True).mul(2).requires_grad
    assert all(generator.inference)


VIEWPORT = Viewport(margin_px=1.0, multiple_of=4)


def boxes_of(keypoints):
    placed = place_viewport(
        VIEWPORT, keypoints.points, keypoints.score, image_size=keypoints.image_size
    ).tolist()
    assert len({(x0, y0) for x0, y0, _, _ in placed}) > 2  # it moves, ...
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in placed}) > 1  # and changes in size
    return placed


class Shadow(nn.Module):
    """One constant in the coarse maps, and 0.25 more in the left half."""

    def forward(self, coarse_poses):
        assert coarse_poses.shape[2:] == coarse_size(FRAME_SIZE)
        shadow = torch.full((len(coarse_poses), 3, *coarse_poses.shape[2:]), 0.5)
        shadow[..., : shadow.shape[3] // 2] += 0.25
        return shadow


def test_a_viewport_shows_the_same_as_the_whole_frame_and_the_background_around_it():
    """Seen with a network that looks at single pixels."""
    torch.manual_seed(0)
    network = nn.Conv2d(2 * STYLE.num_channels, 4, 1)
    plate = torch.rand(3, *FRAME_SIZE)
    options = {"previous_frame": "none", "conditioning_poses": 2}
    keypoints = dance(14)
    in_viewport = FrameGenerator(network, plate, **options, viewport=VIEWPORT, shadows=Shadow())
    scene = in_viewport.scene(torch.zeros(1, 1, *coarse_size(FRAME_SIZE)))[0]
    middle = FRAME_SIZE[1] // 2
    torch.testing.assert_close(scene[..., :middle], plate[..., :middle] + 0.75)
    torch.testing.assert_close(scene[..., middle:], plate[..., middle:] + 0.5)
    whole = rolled_out(FrameGenerator(network, scene, **options), keypoints)
    frames = rolled_out(in_viewport, keypoints)
    for frame, expected, box in zip(frames, whole, boxes_of(keypoints), strict=True):
        inside = torch.zeros(FRAME_SIZE, dtype=torch.bool)
        inside[box[1] : box[3], box[0] : box[2]] = True
        torch.testing.assert_close(frame[:, inside], expected[:, inside])
        assert torch.equal(frame[:, ~inside], scene[:, ~inside])


class PreviousPlusOne(FrameGenerator):
    """Adds one to the previous frame; asserts that its background is that of the viewport."""

    def forward(self, pose_map, previous_frame, background=None, texture=None):
        assert pose_map.shape[2:] == previous_frame.shape[2:] == background.shape[2:]
        return Generated(previous_frame + 1, previous_frame + 1)

    def scene(self, coarse_poses):
        return self.plate[None].clone()


def test_the_previous_frame_is_seen_where_the_viewport_is_now():
    keypoints, plate = dance(14), torch.full((3, *FRAME_SIZE), -5.0)
    generator = PreviousPlusOne(nn.Conv2d(1, 1, 1), plate, viewport=VIEWPORT)
    expected = torch.zeros(3, *FRAME_SIZE)
    boxes = boxes_of(keypoints)
    for frame, (x0, y0, x1, y1) in zip(rolled_out(generator, keypoints), boxes, strict=True):
        inside = expected[:, y0:y1, x0:x1] + 1
        expected = plate.clone()
        expected[:, y0:y1, x0:x1] = inside
        assert torch.equal(frame, expected)


class Textured(FrameGenerator):
    """Shows the colour of the puppet; remembers its texture."""

    def forward(self, pose_map, previous_frame, background=None, texture=None):
        self.textures = [*getattr(self, "textures", []), texture]
        return Generated(texture[:, :3], texture[:, :3])


def textures_of(puppet, keypoints, boxes, **options):
    clip = puppet.follow(keypoints.points, keypoints.score, skeleton=keypoints.skeleton, **options)
    drawn = (clip.draw(index, box=tuple(box)) for index, box in enumerate(boxes))
    return [levels_to_textures(torch.from_numpy(texture)[None]) for texture in drawn]


@pytest.mark.parametrize("viewport", [None, VIEWPORT])
def test_the_puppet_is_drawn_in_each_pose_without_the_excluded_references(viewport):
    keypoints = dance(14)
    puppet = puppet_of(keypoints, [0, 5, 12])
    plate = torch.zeros(3, *FRAME_SIZE)
    whole = [[0, 0, *reversed(FRAME_SIZE)]] * 14
    boxes = whole if viewport is None else boxes_of(keypoints)
    seen = []
    for excluded in (None, puppet.excluded(0, 14, within=3)):
        generator = Textured(nn.Conv2d(1, 1, 1), plate, viewport=viewport, puppet=puppet)
        if viewport is not None:
            generator.shadows = Shadow()
        list(rolled_out(generator, keypoints, excluded=excluded))
        expected = textures_of(puppet, keypoints, boxes, excluded=excluded)
        assert all(torch.equal(*pair) for pair in zip(generator.textures, expected, strict=True))
        assert all(texture[:, 3].any() for texture in generator.textures)
        seen.append(generator.textures)
    differs = [not torch.equal(*pair) for pair in zip(*seen, strict=True)]
    assert differs[0]
    assert differs[5]


def test_a_puppet_in_a_viewport_is_that_of_the_whole_frame():
    """Seen with a network that looks at single pixels."""
    torch.manual_seed(0)
    network = nn.Conv2d(STYLE.num_channels + 6, 5, 1)
    keypoints = dance(14)
    options = {"previous_frame": "none", "puppet": puppet_of(keypoints, [0, 7])}
    in_viewport = FrameGenerator(
        network, torch.rand(3, *FRAME_SIZE), **options, viewport=VIEWPORT, shadows=Shadow()
    )
    scene = in_viewport.scene(torch.zeros(1, 1, *coarse_size(FRAME_SIZE)))[0]
    whole = rolled_out(FrameGenerator(network, scene, **options), keypoints)
    frames = rolled_out(in_viewport, keypoints)
    for frame, expected, (x0, y0, x1, y1) in zip(frames, whole, boxes_of(keypoints), strict=True):
        # Textures are resampled to a 32nd of a pixel, counted from the corner of the box.
        torch.testing.assert_close(
            frame[:, y0:y1, x0:x1], expected[:, y0:y1, x0:x1], atol=0.02, rtol=0
        )


def test_a_puppet_goes_with_half_resolution():
    torch.manual_seed(0)
    keypoints = dance(3)
    plate = torch.rand(3, *FRAME_SIZE)[:, ::2, ::2]
    network = nn.Conv2d(STYLE.num_channels + 9, 5, 1)
    generator = FrameGenerator(network, plate, puppet=puppet_of(keypoints, [0, 2]))
    frames = list(rolled_out(HalfResolutionGenerator(generator), keypoints))
    assert [frame.shape for frame in frames] == [(3, *FRAME_SIZE)] * 3
    generator.puppet = None
    network.weight.data, network.bias.data = network.weight.data[:4, :-6], network.bias.data[:4]
    without = list(rolled_out(HalfResolutionGenerator(generator), keypoints))
    assert not any(torch.equal(*pair) for pair in zip(frames, without, strict=True))


class HalfShadow(nn.Module):
    def forward(self, coarse_poses):
        rows, columns = coarse_size(FRAME_SIZE)
        assert coarse_poses.shape[2:] == (-(-rows // 2), -(-columns // 2))
        return torch.full((len(coarse_poses), 3, *coarse_poses.shape[2:]), 0.25)


def test_at_half_resolution_the_viewport_is_the_same():
    plate = torch.rand(3, *FRAME_SIZE)[:, ::2, ::2]
    generator = FrameGenerator(
        Constant(0.5, 0.5, 0.5, 100.0), plate, viewport=VIEWPORT, shadows=HalfShadow()
    )
    keypoints = dance(14)
    frames = rolled_out(HalfResolutionGenerator(generator), keypoints)
    for frame, (x0, y0, x1, y1) in zip(frames, boxes_of(keypoints), strict=True):
        torch.testing.assert_close(frame[:, y0:y1, x0:x1].mean(), torch.tensor(0.5).tanh())
        outside = torch.ones(FRAME_SIZE, dtype=torch.bool)
        outside[y0:y1, x0:x1] = False
        expected = plate.repeat_interleave(2, 1).repeat_interleave(2, 2) + 0.25
        torch.testing.assert_close(frame[:, outside], expected[:, outside])


@pytest.mark.parametrize(
    ("size", "coarse"), [((256, 192), (64, 48)), ((250, 260), (62, 64)), ((48, 40), (48, 40))]
)
def test_coarse_pose_maps_lie_over_the_frame(size, coarse):
    assert coarse_size(size) == coarse
    keypoints = dance(3)
    style = replace(STYLE, line_width_px=16.0)
    shared = {"skeleton": keypoints.skeleton, "style": style, "device": torch.device("cpu")}
    points = torch.from_numpy(keypoints.points) * (size[0] / FRAME_SIZE[0] * 0.8)
    score = torch.from_numpy(keypoints.score)
    fine = draw_poses(points, score, size=size, **shared)
    drawn = draw_coarse(points, score, size=size, **shared)
    centres = []
    for maps in (nn.functional.interpolate(fine, size=coarse, mode="area"), drawn):
        mass = maps.sum(1)
        y, x = (torch.arange(n) + 0.5 for n in coarse)
        total = mass.sum((1, 2))
        centres += [torch.stack([(mass.sum(2) * y).sum(1), (mass.sum(1) * x).sum(1)]) / total]
    torch.testing.assert_close(centres[1], centres[0], atol=0.3, rtol=0)
