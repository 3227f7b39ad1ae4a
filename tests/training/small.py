"""Networks and settings of the smallest sizes, for tests that train for a few steps."""

from dataclasses import fields

from lightning_fabric import Fabric

from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.faces import FaceGeneratorConfig
from motiontransfer.models.generators import GeneratorConfig
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.training.config import Schedule
from motiontransfer.training.data import RankBatch
from motiontransfer.training.face_gan import FaceGanSettings, FaceNetworks
from motiontransfer.training.losses import FrameLossSettings
from motiontransfer.training.pose_gan import GanSettings
from motiontransfer.training.run_log import RunPaths
from motiontransfer.training.train_pose_gan import MainNetworks
from tests.dancer import SIZE

STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)


def fabric():
    """One process on the CPU."""
    return Fabric(accelerator="cpu", devices=1, precision="32-true")


def generator_config(**changes):
    numbers = {
        **{"architecture": "fast", "background": "plate", "pose_channels": STYLE.num_channels},
        **{"num_filters": 4, "num_downsamplings": 1, "num_residual_blocks": 1},
        **{"max_channels": 8, "size": SIZE},
    }
    return GeneratorConfig(**{**numbers, **changes})


def networks(**changes):
    return MainNetworks(
        generator=generator_config(**changes),
        discriminator=DiscriminatorConfig(num_filters=4, num_layers=1, num_scales=2),
        style=STYLE,
    )


def discriminator(*, window_frames=2):
    num_frames = min(window_frames, 2)
    return MultiscaleDiscriminator(
        DiscriminatorConfig(num_filters=4, num_layers=1, num_scales=2),
        condition_channels=num_frames * STYLE.num_channels,
        image_channels=num_frames * 3,
    )


def face_config(**changes):
    numbers = {"pose_channels": STYLE.num_channels, "crop_size": 32, "num_filters": 4}
    return FaceGeneratorConfig(
        **{**numbers, "num_downsamplings": 1, "num_residual_blocks": 1, **changes}
    )


def face_networks():
    return FaceNetworks(
        generator=face_config(),
        discriminator=DiscriminatorConfig(num_filters=4, num_layers=1, num_scales=1),
    )


def gan_settings(**changes):
    numbers = {
        **{"objective": "least_squares", "adversarial_weight": 1.0},
        **{
            "feature_matching_weight": 10.0,
        },
        **{"l1_weight": 20.0, "foreground_l1_weight": 5.0, "foreground_radius_px": 4},
        **{"perceptual_weight": 0.0, "detach_previous_frame": False},
        **{"limb_dropout": 0.0},
        **{"ema_decay": 0.9, "compile": False, **changes},
    }

    of_frames = {f.name: numbers.pop(f.name) for f in fields(FrameLossSettings)}
    return GanSettings(frame_losses=FrameLossSettings(**of_frames), **numbers)


def face_settings(**changes):
    numbers = {"adversarial_weight": 1.0, "feature_matching_weight": 5.0, "l1_weight": 20.0}
    numbers |= {"perceptual_weight": 0.0}
    return FaceGanSettings(**{**numbers, "ema_decay": 0.9, "compile": False, **changes})


def schedule(**changes):
    numbers = {
        **{"seed": 3, "num_steps": 5, "max_minutes": None, "batch_size": 2},
        **{"learning_rate": 1e-3, "lr_decay_start": 0.5},
        **{"log_every_steps": 2, "sample_every_steps": 4, "checkpoint_every_steps": 2},
    }
    return Schedule(**{**numbers, **changes})


def paths(folder):
    return RunPaths(
        checkpoints=folder / "checkpoints", models=folder / "models", logs=folder / "logs"
    )


def whole(batch):
    """A batch as the share of the only rank."""
    return RankBatch(batch=batch, indices=range(len(batch.points)))
