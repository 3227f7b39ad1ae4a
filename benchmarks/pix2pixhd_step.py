"""One training step of NVIDIA/pix2pixHD's own code, from a checkout of it, on any device.

As its train.py and pix2pixHD_model.py take it, for two consecutive frames as Chan et al. do. The
two lines that insist on CUDA and on a download are answered with this process' device and with
random weights, for as long as the process lasts.
"""

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
import torchvision
from torch import Tensor, nn

NUM_SCALES, NUM_LAYERS, NUM_DOWNSAMPLINGS, NUM_BLOCKS = 2, 3, 4, 9
FEATURE_MATCHING_WEIGHT = PERCEPTUAL_WEIGHT = 10
LEARNING_RATE = 2e-4

Step = Callable[[], dict[str, float]]
"""Takes one step and says what the losses were."""


def import_networks(folder: Path) -> ModuleType:
    """Import models/networks.py of a checkout."""
    sys.path.insert(0, str(folder))
    from models import networks

    untrained = torchvision.models.vgg19
    networks.models.vgg19 = lambda **_: untrained()
    nn.Module.cuda = lambda module: module
    return networks


def build(networks: ModuleType, *, num_filters: int) -> tuple[nn.Module, nn.Module]:
    """Build the global generator and the multiscale discriminator for pairs of frames."""
    with contextlib.redirect_stdout(io.StringIO()):
        generator = networks.define_G(6, 3, num_filters, "global", NUM_DOWNSAMPLINGS, NUM_BLOCKS)
        discriminator = networks.define_D(
            12, num_filters, NUM_LAYERS, num_D=NUM_SCALES, getIntermFeat=True
        )
    return generator, discriminator


def make_step(
    networks: ModuleType,
    pair: tuple[nn.Module, nn.Module],
    poses: Tensor,
    frames: Tensor,
    *,
    perceptual: bool,
) -> Step:
    """Put losses and optimisers around the networks; poses and frames are `batch 2 3 h w`."""
    generator, discriminator = pair
    adversarial, l1 = networks.GANLoss(tensor=torch.FloatTensor), nn.L1Loss()
    look = networks.VGGLoss([]) if perceptual else None
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999))
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
            4 / (NUM_LAYERS + 1) / NUM_SCALES * l1(f, r.detach()) * FEATURE_MATCHING_WEIGHT
            for scale_of_fake, scale_of_real in zip(of_fake, of_real, strict=True)
            for f, r in zip(scale_of_fake[:-1], scale_of_real[:-1], strict=True)
        )
        total = fooling + matching
        if look is not None:
            for made, filmed in ((first, frames[:, 0]), (second, frames[:, 1])):
                total = total + PERCEPTUAL_WEIGHT * look(made, filmed)
        for optimizer, loss in zip(optimizers, (total, telling), strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return {"fooling": fooling.item(), "matching": matching.item(), "telling": telling.item()}

    return step
