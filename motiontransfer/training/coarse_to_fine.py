"""Coarse-to-fine training of a local enhancer (Wang et al. 2018, sec. 3.1).

As pix2pixHD's --load_pretrain: first the global generator alone at half the resolution, then all of
the local enhancer around it, each with its own optimisers and learning rate schedule. The second
training starts from the averaged generator and from the discriminators of the first, with one new
discriminator for the full resolution. Chan et al. 2019 use half the perceptual weight in the first.
Deviations: images are downsampled as the enhancer does it for its global generator; each
discriminator scale has the same weight in both trainings.
"""

from dataclasses import replace

from motiontransfer.nets.discriminators import MultiscaleDiscriminator
from motiontransfer.nets.frame_generator import start_from_global
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.gan import GanSettings
from motiontransfer.training.main_networks import MainNetworks, Pair
from motiontransfer.training.schedule import Schedule

_GLOBAL_PERCEPTUAL_SHARE = 0.5  # Chan et al. 2019: 5 for the global generator, 10 with the local


def split_schedule(schedule: Schedule, *, global_only_fraction: float) -> tuple[Schedule, Schedule]:
    """Schedules of the global generator's training and of the local enhancer's.

    Args:
        global_only_fraction: share of the steps, and of `max_minutes`, of the first.
    """
    num_coarse = round(schedule.num_steps * global_only_fraction)
    num_coarse = min(max(num_coarse, 1), schedule.num_steps - 1)
    return (
        schedule.part(num_coarse, share=global_only_fraction),
        schedule.part(schedule.num_steps - num_coarse, share=1 - global_only_fraction),
    )


def global_networks(networks: MainNetworks) -> MainNetworks:
    """Networks of the first training: the global generator, one discriminator scale fewer."""
    height, width = networks.generator.size
    return replace(
        networks,
        generator=replace(
            networks.generator, architecture="global", size=(-(-height // 2), -(-width // 2))
        ),
        discriminator=replace(
            networks.discriminator, num_scales=networks.discriminator.num_scales - 1
        ),
    )


def global_settings(settings: GanSettings, networks: MainNetworks) -> GanSettings:
    """Settings of the first training, for half the resolution and one discriminator scale fewer."""
    num_scales = networks.discriminator.num_scales
    losses = settings.frame_losses
    return replace(
        settings,
        adversarial_weight=settings.adversarial_weight * (num_scales - 1) / num_scales,
        frame_losses=replace(
            losses,
            foreground_radius_px=round(losses.foreground_radius_px / 2),
            perceptual_weight=losses.perceptual_weight * _GLOBAL_PERCEPTUAL_SHARE,
        ),
    )


def start_from_coarse(pair: Pair, trained: Adversaries) -> None:
    """Initialise the networks of the second training with what the first one trained."""
    average, discriminator = trained.generator_average, trained.discriminator
    assert isinstance(average, type(pair.generator))
    assert isinstance(discriminator, MultiscaleDiscriminator)
    start_from_global(pair.generator, average)
    pair.discriminator.start_from(discriminator)
