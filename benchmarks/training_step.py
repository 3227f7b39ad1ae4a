"""One training step against NVIDIA/pix2pixHD's code, and against an earlier commit's, in one run.

    git clone https://github.com/NVIDIA/pix2pixHD /tmp/pix2pixHD
    uv run python -m benchmarks.training_step /tmp/pix2pixHD [--batch 4] [--before HEAD~1]

All make two consecutive frames with the global generator, judge the pair with the multiscale
discriminator, and take one Adam step of each network: the same layers, weights, inputs and losses
(least squares, feature matching, by choice VGG19 with random weights). Ours also keeps the moving
average of the generator. Every turn is a process of its own, and turns alternate, so that what else
the machine does burdens all; the fastest step of each counts. The first losses must agree. Ours in
the viewport generates only the part of the frame around a person.
"""

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

import torch
import torchvision
from torch import Tensor, nn

from benchmarks.machine import answer, in_own_process, recorded
from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import (
    DiscriminatorConfig,
    MultiscaleDiscriminator,
    split_real_fake,
)
from motiontransfer.models.generators import EncoderDecoderConfig, FrameGenerator, GlobalGenerator
from motiontransfer.models.layers import initialise
from motiontransfer.models.vgg import VGG19Features
from motiontransfer.training.config import GanConfig
from motiontransfer.training.losses import (
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
    perceptual_loss,
)
from motiontransfer.training.optimization import GanTask

_NUM_SCALES, _NUM_LAYERS, _NUM_DOWNSAMPLINGS, _NUM_BLOCKS = 2, 3, 4, 9
_FEATURE_MATCHING_WEIGHT = _PERCEPTUAL_WEIGHT = 10
_LEARNING_RATE = 2e-4

_THEIRS = "theirs 32-true"
_CONTENDERS = (
    *(_THEIRS, "ours 32-true", "ours bf16-mixed"),
    *("viewport 32-true", "viewport bf16-mixed"),
)
_AGREEMENT = {"32-true": 1e-3, "bf16-mixed": 2e-2}  # of the losses, relative

Step = Callable[[], dict[str, float]]
"""Takes one step and returns its losses."""


def main() -> None:
    """Measure in turns; a row for each contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pix2pixhd", type=Path, help="folder of a checkout of NVIDIA/pix2pixHD")
    parser.add_argument("--before", help="a commit whose steps are measured, too")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 512), help="height, width")
    parser.add_argument("--viewport", type=int, nargs=2, default=(256, 176), help="of the demo")
    parser.add_argument("--batch", type=int, default=1, help="pairs of frames a step")
    parser.add_argument("--filters", type=int, default=64, help="channels at the finest level")
    parser.add_argument("--perceptual", action="store_true", help="with VGG19, random weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=2, help="turns of each contender")
    parser.add_argument("--steps", type=int, default=2, help="timed steps a turn, after one more")
    parser.add_argument("--contender", choices=_CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        answer(_turn(arguments))
        return
    with recorded("training_step") as rows, _checkout(arguments.before) as before:
        folders: dict[str, tuple[str, Path | None]] = {name: (name, None) for name in _CONTENDERS}
        if before is not None:
            ours = [name for name in _CONTENDERS if name != _THEIRS]
            folders |= {f"{name}, {arguments.before}": (name, before) for name in ours}
        turns_of: dict[str, list[dict]] = {name: [] for name in folders}
        for _ in range(arguments.rounds):
            for name, (contender, folder) in folders.items():
                turns_of[name].append(in_own_process("--contender", contender, folder=folder))
        reference = turns_of[_THEIRS]
        for name, turns in turns_of.items():
            if not name.startswith("viewport"):
                tolerance = _AGREEMENT[folders[name][0].split()[1]]
                _check_losses(name, turns[0]["losses"], reference[0]["losses"], tolerance)
            row: dict[str, object] = {"step": name}
            for clock, unit in (("seconds", "s"), ("cpu_seconds", "CPU s")):
                this, theirs = (
                    min(taken for turn in of for taken in turn[clock]) for of in (turns, reference)
                )
                row |= {unit: this, f"theirs / this, {unit}": round(theirs / this, 2)}
            rows.append(row | {"peak GiB": min(turn["peak_gib"] for turn in turns)})


@contextmanager
def _checkout(commit: str | None) -> Generator[Path | None]:
    """A folder with this repository at a commit."""
    if commit is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        folder = Path(scratch) / "before"
        repository = Path(__file__).parents[1]
        subprocess.run(["git", "clone", "-q", repository, folder], check=True)
        subprocess.run(["git", "checkout", "-q", commit], cwd=folder, check=True)
        yield folder


def _turn(arguments: argparse.Namespace) -> dict[str, object]:
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    whose, precision = arguments.contender.split()
    height, width = arguments.viewport if whose == "viewport" else arguments.size
    poses = torch.rand(arguments.batch, 2, 3, height, width)
    frames = torch.rand(arguments.batch, 2, 3, height, width) * 2 - 1
    networks = _import_networks(arguments.pix2pixhd)
    theirs = _build_theirs(networks, num_filters=arguments.filters)
    if whose == "theirs":
        step = _step_of_theirs(networks, theirs, poses, frames, perceptual=arguments.perceptual)
    else:
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
        ours = _build_ours(num_filters=arguments.filters)
        _copy_weights(theirs, ours)
        del theirs
        step = _step_of_ours(fabric, ours, poses, frames, perceptual=arguments.perceptual)
    losses, seconds, cpu_seconds = step(), [], []
    for _ in range(arguments.steps):
        began, cpu_began = time.perf_counter(), time.process_time()
        step()
        seconds.append(round(time.perf_counter() - began, 3))
        cpu_seconds.append(round(time.process_time() - cpu_began, 3))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_gib": round(peak, 3),
        "losses": losses,
    }


def _import_networks(folder: Path) -> ModuleType:
    """Import models/networks.py of a checkout.

    Its lines that insist on CUDA and on a download get this process' device and random weights.
    """
    sys.path.insert(0, str(folder))
    from models import networks

    untrained = torchvision.models.vgg19
    networks.models.vgg19 = lambda **_: untrained()
    nn.Module.cuda = lambda module: module
    return networks


def _build_theirs(networks: ModuleType, *, num_filters: int) -> tuple[nn.Module, nn.Module]:
    """Build the global generator and the multiscale discriminator for pairs of frames."""
    with redirect_stdout(io.StringIO()):
        generator = networks.define_G(6, 3, num_filters, "global", _NUM_DOWNSAMPLINGS, _NUM_BLOCKS)
        discriminator = networks.define_D(
            12, num_filters, _NUM_LAYERS, num_D=_NUM_SCALES, getIntermFeat=True
        )
    return generator, discriminator


def _step_of_theirs(
    networks: ModuleType,
    pair: tuple[nn.Module, nn.Module],
    poses: Tensor,
    frames: Tensor,
    *,
    perceptual: bool,
) -> Step:
    """As their train.py and pix2pixHD_model.py, for two frames; inputs are `batch 2 3 h w`."""
    generator, discriminator = pair
    adversarial, l1 = networks.GANLoss(tensor=torch.FloatTensor), nn.L1Loss()
    look = networks.VGGLoss([]) if perceptual else None
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE, betas=(0.5, 0.999))
        for network in pair
    ]
    condition, real = poses.flatten(1, 2), frames.flatten(1, 2)

    def step() -> dict[str, float]:
        first = generator(torch.cat([poses[:, 0], torch.zeros_like(frames[:, 0])], 1))
        second = generator(torch.cat([poses[:, 1], first], 1))
        fake = torch.cat([first, second], 1)
        of_detached = discriminator(torch.cat([condition, fake.detach()], 1))
        of_real = discriminator(torch.cat([condition, real], 1))
        of_fake = discriminator(torch.cat([condition, fake], 1))
        telling = 0.5 * (adversarial(of_detached, False) + adversarial(of_real, True))
        fooling = adversarial(of_fake, True)
        matching = sum(
            4 / (_NUM_LAYERS + 1) / _NUM_SCALES * l1(f, r.detach()) * _FEATURE_MATCHING_WEIGHT
            for scale_of_fake, scale_of_real in zip(of_fake, of_real, strict=True)
            for f, r in zip(scale_of_fake[:-1], scale_of_real[:-1], strict=True)
        )
        total = fooling + matching
        if look is not None:
            for made, filmed in ((first, frames[:, 0]), (second, frames[:, 1])):
                total = total + _PERCEPTUAL_WEIGHT * look(made, filmed)
        for optimizer, loss in zip(optimizers, (total, telling), strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return {"fooling": fooling.item(), "matching": matching.item(), "telling": telling.item()}

    return step


def _build_ours(*, num_filters: int) -> tuple[FrameGenerator, MultiscaleDiscriminator]:
    generator = EncoderDecoderConfig(
        num_filters=num_filters,
        num_downsamplings=_NUM_DOWNSAMPLINGS,
        num_residual_blocks=_NUM_BLOCKS,
    )
    discriminator = DiscriminatorConfig(
        num_filters=num_filters, num_layers=_NUM_LAYERS, num_scales=_NUM_SCALES
    )
    return (
        FrameGenerator(GlobalGenerator(6, 3, generator)),
        MultiscaleDiscriminator(discriminator, condition_channels=6, image_channels=6),
    )


def _step_of_ours(
    fabric: Fabric,
    pair: tuple[FrameGenerator, MultiscaleDiscriminator],
    poses: Tensor,
    frames: Tensor,
    *,
    perceptual: bool,
) -> Step:
    """As `PoseGanTask` takes it, but for the drawing of the poses and L1."""
    generator, discriminator = pair
    look = VGG19Features(5).apply(initialise) if perceptual else None
    if fabric.strategy.precision.precision == "bf16-mixed":
        for network in (generator, discriminator, look):
            if network is not None:
                network.to(memory_format=torch.channels_last)
    config = GanConfig(ema_decay=0.999, compile=False)
    task = GanTask(fabric, generator, discriminator, config=config)

    def step() -> dict[str, float]:
        with fabric.autocast():
            first, _ = generator(poses[:, 0], torch.zeros_like(frames[:, 0]))
            second, _ = generator(poses[:, 1], first)
            fake = torch.stack([first, second], 1)
            shown = torch.cat([frames, fake]).flatten(1, 2)
            of_real, of_fake = split_real_fake(discriminator(poses.flatten(1, 2), shown))
            losses = {
                # Theirs is the sum over the scales.
                "fooling": _NUM_SCALES * adversarial_generator_loss(of_fake),
                "matching": _FEATURE_MATCHING_WEIGHT * feature_matching_loss(of_real, of_fake),
            }
            telling = _NUM_SCALES * adversarial_discriminator_loss(of_real, of_fake)
            if look is not None:
                # The mean over all frames; theirs is the sum of the two frames' means.
                looks = perceptual_loss(look, fake.flatten(0, 1), frames.flatten(0, 1))
                losses["perceptual"] = 2 * _PERCEPTUAL_WEIGHT * looks
        named = task.update(
            {"generator": losses, "discriminator": {"telling": telling}},
            step=0,
            learning_rate=_LEARNING_RATE,
        )
        return {name.split("/")[1]: loss.item() for name, loss in named.items()}

    return step


@torch.no_grad()
def _copy_weights(
    theirs: tuple[nn.Module, nn.Module], ours: tuple[FrameGenerator, MultiscaleDiscriminator]
) -> None:
    for mine, other in zip(ours[0].parameters(), theirs[0].parameters(), strict=True):
        mine.copy_(other)
    for index, scale in enumerate(ours[1].scales):
        layers = [
            getattr(theirs[1], f"scale{_NUM_SCALES - 1 - index}_layer{layer}")
            for layer in range(_NUM_LAYERS + 2)
        ]
        first, *others = [parameter for layer in layers for parameter in layer.parameters()]
        # Ours takes poses and frames apart: one convolution over both, written as a sum.
        first = [first[:, :6], first[:, 6:]]
        for mine, other in zip(scale.parameters(), [*first, *others], strict=True):
            mine.copy_(other)


def _check_losses(
    name: str, losses: dict[str, float], reference: dict[str, float], tolerance: float
) -> None:
    for loss, expected in reference.items():
        if abs(losses[loss] - expected) > tolerance * abs(expected):
            raise SystemExit(f"{name}: {loss} is {losses[loss]}, expected {expected} as theirs")


if __name__ == "__main__":
    main()
