"""One training step against NVIDIA/pix2pixHD's code on the same machine: seconds and peak memory.

    git clone https://github.com/NVIDIA/pix2pixHD /tmp/pix2pixHD
    uv run python -m benchmarks.training_step /tmp/pix2pixHD [--batch 4] [--perceptual]

Both make two consecutive frames with the global generator, judge the pair with the multiscale
discriminator, and take one Adam step of each network: the same layers, weights, inputs and losses
(least squares, feature matching, by choice VGG19 with random weights). Ours also keeps the moving
average of the generator. Every turn is a process of its own, and turns alternate, so that what else
the machine does burdens all; the fastest step of each counts. The first losses must agree. Ours in
the viewport generates only the part of the frame around a person.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.machine import recorded
from benchmarks.pix2pixhd_step import (
    FEATURE_MATCHING_WEIGHT,
    LEARNING_RATE,
    NUM_BLOCKS,
    NUM_DOWNSAMPLINGS,
    NUM_LAYERS,
    NUM_SCALES,
    PERCEPTUAL_WEIGHT,
    Step,
    build,
    import_networks,
    make_step,
)
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

_WHOLE = ("theirs 32-true", "ours 32-true", "ours bf16-mixed")
_CONTENDERS = (*_WHOLE, "viewport 32-true", "viewport bf16-mixed")
_AGREEMENT = {"32-true": 1e-3, "bf16-mixed": 2e-2}  # of the losses, relative


def main() -> None:
    """Measure in turns and print one line for each contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pix2pixhd", type=Path, help="folder of a checkout of NVIDIA/pix2pixHD")
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
        print(json.dumps(_turn(arguments)))  # noqa: T201 - to the process that began this one
        return
    turns_of: dict[str, list[dict]] = {name: [] for name in _CONTENDERS}
    with recorded("training_step") as rows:
        for _ in range(arguments.rounds):
            for name, turns in turns_of.items():
                command = [sys.executable, "-m", "benchmarks.training_step", *sys.argv[1:]]
                answer = subprocess.run(
                    [*command, "--contender", name], check=True, stdout=subprocess.PIPE, text=True
                )
                turns.append(json.loads(answer.stdout))
        reference = turns_of["theirs 32-true"]
        for name, turns in turns_of.items():
            if name in _WHOLE:
                _check_losses(name, turns[0]["losses"], reference[0]["losses"])
            row: dict[str, object] = {"step": name}
            for clock, unit in (("seconds", "s"), ("cpu_seconds", "CPU s")):
                ours, theirs = (
                    min(taken for turn in of for taken in turn[clock]) for of in (turns, reference)
                )
                row |= {unit: ours, f"theirs / this, {unit}": round(theirs / ours, 2)}
            rows.append(row | {"peak GiB": min(turn["peak_gib"] for turn in turns)})


def _turn(arguments: argparse.Namespace) -> dict[str, object]:
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    whose, precision = arguments.contender.split()
    height, width = arguments.viewport if whose == "viewport" else arguments.size
    poses = torch.rand(arguments.batch, 2, 3, height, width)
    frames = torch.rand(arguments.batch, 2, 3, height, width) * 2 - 1
    networks = import_networks(arguments.pix2pixhd)
    theirs = build(networks, num_filters=arguments.filters)
    if whose == "theirs":
        step = make_step(networks, theirs, poses, frames, perceptual=arguments.perceptual)
    else:
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
        ours = _build(num_filters=arguments.filters)
        _copy_weights(theirs, ours)
        del theirs
        step = _make_step(fabric, ours, poses, frames, perceptual=arguments.perceptual)
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


def _build(*, num_filters: int) -> tuple[FrameGenerator, MultiscaleDiscriminator]:
    generator = EncoderDecoderConfig(
        num_filters=num_filters, num_downsamplings=NUM_DOWNSAMPLINGS, num_residual_blocks=NUM_BLOCKS
    )
    discriminator = DiscriminatorConfig(
        num_filters=num_filters, num_layers=NUM_LAYERS, num_scales=NUM_SCALES
    )
    return (
        FrameGenerator(GlobalGenerator(6, 3, generator)),
        MultiscaleDiscriminator(discriminator, condition_channels=6, image_channels=6),
    )


def _make_step(
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
                "fooling": NUM_SCALES * adversarial_generator_loss(of_fake),
                "matching": FEATURE_MATCHING_WEIGHT * feature_matching_loss(of_real, of_fake),
            }
            telling = NUM_SCALES * adversarial_discriminator_loss(of_real, of_fake)
            if look is not None:
                # The mean over all frames; theirs is the sum of the two frames' means.
                looks = perceptual_loss(look, fake.flatten(0, 1), frames.flatten(0, 1))
                losses["perceptual"] = 2 * PERCEPTUAL_WEIGHT * looks
        named = task.update(
            {"generator": losses, "discriminator": {"telling": telling}},
            step=0,
            learning_rate=LEARNING_RATE,
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
            getattr(theirs[1], f"scale{NUM_SCALES - 1 - index}_layer{layer}")
            for layer in range(NUM_LAYERS + 2)
        ]
        first, *others = [parameter for layer in layers for parameter in layer.parameters()]
        # Ours takes poses and frames apart: one convolution over both, written as a sum.
        first = [first[:, :6], first[:, 6:]]
        for mine, other in zip(scale.parameters(), [*first, *others], strict=True):
            mine.copy_(other)


def _check_losses(name: str, losses: dict[str, float], reference: dict[str, float]) -> None:
    tolerance = _AGREEMENT[name.split()[1]]
    for loss, expected in reference.items():
        if abs(losses[loss] - expected) > tolerance * abs(expected):
            raise SystemExit(f"{name}: {loss} is {losses[loss]}, expected {expected} as theirs")


if __name__ == "__main__":
    main()
