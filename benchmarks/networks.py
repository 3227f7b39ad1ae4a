"""Sizes of the networks: weights, multiplications a frame, seconds a frame on this machine.

    uv run python -m benchmarks.networks [--measure]

The first rows are the paper's networks at its sizes (NVIDIA/pix2pixHD's code has the same counts to
the last digit); the others are the choices beside them. Counted without computing anything;
`--measure` runs each once at full size, then as often as `--repeats` says, in both precisions and
on channels-last memory, and the fastest counts.
"""

import argparse
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from motiontransfer.nets.blocks import count_parameters, initialise
from motiontransfer.nets.discriminators import PatchDiscriminator
from motiontransfer.nets.face_generator import FaceGenerator, FaceGeneratorConfig
from motiontransfer.nets.fast_generator import FastGenerator
from motiontransfer.nets.global_generator import GlobalGenerator
from motiontransfer.nets.local_enhancer import LocalEnhancer

Shape = tuple[int, int, int]

_PAPER = {
    **{"in_channels": 6, "out_channels": 3, "num_filters": 64, "num_downsamplings": 4},
    **{"num_residual_blocks": 9, "max_channels": 1024},
}
_DEMO = {
    **{"in_channels": 22, "out_channels": 4, "num_filters": 32, "num_downsamplings": 3},
    **{"num_residual_blocks": 4, "max_channels": 256},
}
_FACE = {"pose_channels": 3, "crop_size": 128, "num_filters": 64, "num_downsamplings": 3}
_JUDGE = {"condition_channels": 6, "image_channels": 6, "num_filters": 64, "num_layers": 3}

_NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[Shape, ...]]] = {
    "global, 512x256": (lambda: GlobalGenerator(**_PAPER), ((6, 256, 512),)),
    "local, 1024x512": (lambda: LocalEnhancer(**_PAPER), ((6, 512, 1024),)),
    "face, 128x128": (
        lambda: FaceGenerator(FaceGeneratorConfig(**_FACE, num_residual_blocks=5)),
        ((3, 128, 128), (3, 128, 128)),
    ),
    "discriminator, 1 scale": (lambda: PatchDiscriminator(**_JUDGE), ((6, 512, 1024),) * 2),
    "global, resize": (
        lambda: GlobalGenerator(**_PAPER, upsampling="resize"),
        ((6, 256, 512),),
    ),
    "global, subpixel": (
        lambda: GlobalGenerator(**_PAPER, upsampling="subpixel"),
        ((6, 256, 512),),
    ),
    "global, 512 channels": (
        lambda: GlobalGenerator(**{**_PAPER, "max_channels": 512}),
        ((6, 256, 512),),
    ),
    "fast, demo, 256x256": (lambda: FastGenerator(**_DEMO), ((22, 256, 256),)),
}


def main() -> None:
    """Print one line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="seconds a frame, too")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    titles = ("million weights", "10^9 mult.", *(("s, fp32", "s, bf16") * arguments.measure))
    _say(f"{'':24}" + "".join(f"{title:>17}" for title in titles))
    for name, (build, shapes) in _NETWORKS.items():
        with torch.device("meta"):
            network = build()
            numbers = [count_parameters(network) / 1e6, _multiplications(network, shapes) / 1e9]
        if arguments.measure:
            numbers += _seconds(build, shapes, repeats=arguments.repeats)
        _say(f"{name:24}" + "".join(f"{number:17.3f}" for number in numbers))


def _multiplications(network: nn.Module, shapes: tuple[Shape, ...]) -> float:
    with FlopCounterMode(display=False) as counter:
        network(*(torch.zeros(1, *shape) for shape in shapes))
    return counter.get_total_flops() / 2  # a multiplication and an addition are two


@torch.inference_mode()
def _seconds(
    build: Callable[[], nn.Module], shapes: tuple[Shape, ...], *, repeats: int
) -> list[float]:
    torch.manual_seed(0)
    network = build().apply(initialise).eval().to(memory_format=torch.channels_last)
    images = [torch.rand(1, *shape) for shape in shapes]
    fastest = []
    for narrow in (False, True):
        taken = []
        for _ in range(repeats + 1):
            began = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
                network(*images)
            taken.append(time.perf_counter() - began)
        fastest.append(min(taken[1:]))
    return fastest


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
