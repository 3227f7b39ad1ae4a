"""A local enhancer that is grown around a trained global generator (Wang et al. 2018, sec. 3.1).

Hides how one training becomes two, as pix2pixHD's code has it with --load_pretrain: the global
generator alone at half the size, then all of it. Each has its own optimisers and its own course of
the learning rate. What the second takes over: the generator that the first would have kept, and its
discriminators, which go on at the sizes they know beside a new one for the full size. Chan et al.
2019 give the perceptual loss half the weight in the first. Deviations: half the size is what the
enhancer itself shows the global generator inside it; each discriminator counts alike in both.
"""

from dataclasses import replace

from motiontransfer.nets.frame_generator import start_from_global
from motiontransfer.nets.window_discriminators import WindowDiscriminators
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.gan import GanSettings
from motiontransfer.training.main_networks import MainNetworks, Pair

_GLOBAL_PERCEPTUAL_SHARE = 0.5  # Chan et al. 2019: 5 for the global generator, 10 with the local


def global_networks(networks: MainNetworks) -> MainNetworks:
    """Networks of the first training: the global generator, and a discriminator's scale less."""
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
    """Settings of the first training, for pictures of half the size and a scale less."""
    num_scales = networks.discriminator.num_scales
    judging, losses = settings.judging, settings.frame_losses
    return replace(
        settings,
        judging=replace(
            judging,
            adversarial_weight=judging.adversarial_weight * (num_scales - 1) / num_scales,
        ),
        frame_losses=replace(
            losses,
            near_pose_radius_px=round(losses.near_pose_radius_px / 2),
            perceptual_weight=losses.perceptual_weight * _GLOBAL_PERCEPTUAL_SHARE,
        ),
    )


def grow(pair: Pair, trained: Adversaries) -> None:
    """Let the networks of the second training begin where the first ended."""
    average, judges = trained.generator_average, trained.discriminator
    assert isinstance(average, type(pair.generator))
    assert isinstance(judges, WindowDiscriminators)
    start_from_global(pair.generator, average)
    pair.discriminators.start_from(judges)
