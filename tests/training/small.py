"""Networks and settings of the smallest sizes, for tests that train for a few steps."""

from dataclasses import fields

from lightning_fabric import Fabric

from motiontransfer.nets.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.nets.face_generator import FaceGeneratorConfig
from motiontransfer.nets.frame_generator import GeneratorConfig
from motiontransfer.nets.window_discriminators import (
    WindowDiscriminator,
    WindowDiscriminators,
    frames_at_once,
)
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.training.batches import Part
from motiontransfer.training.conditioning import ConditioningSettings
from motiontransfer.training.face_gan import FaceGanSettings
from motiontransfer.training.face_training import FaceNetworks
from motiontransfer.training.frame_losses import FrameLossSettings
from motiontransfer.training.gan import GanSettings
from motiontransfer.training.judging import JudgingSettings
from motiontransfer.training.main_networks import MainNetworks
from motiontransfer.training.run_paths import RunPaths
from motiontransfer.training.schedule import Schedule
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


def discriminators(judge=None, *, window_frames=2, temporal_strides=(), normalization="instance"):
    """Those of windows, or one stand-in that judges stacked frames."""
    consecutive, *temporal = (
        WindowDiscriminator(
            judge
            or MultiscaleDiscriminator(
                condition_channels=num_frames * STYLE.num_channels,
                image_channels=num_frames * 3,
                num_filters=4,
                num_layers=1,
                num_scales=2,
                normalization=normalization,
            ),
            num_frames=num_frames,
            stride=stride,
        )
        for num_frames, stride in frames_at_once(window_frames, temporal_strides=temporal_strides)
    )
    return WindowDiscriminators(consecutive, temporal)


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
        **{"feature_matching_weight": 10.0, "r1_weight": 0.0, "augmentation": "none"},
        **{"l1_weight": 20.0, "near_pose_weight": 5.0, "near_pose_radius_px": 4},
        **{"perceptual_weight": 0.0, "previous_frame_dropout": 0.2, "previous_frame_noise": 0.0},
        **{"previous_frame_gradient": "kept", "limb_dropout": 0.0},
        **{"average_decay": 0.9, "compile": False, **changes},
    }

    def fill(settings):
        return settings(**{f.name: numbers.pop(f.name) for f in fields(settings)})

    parts = {
        "conditioning": fill(ConditioningSettings),
        "judging": fill(JudgingSettings),
        "frame_losses": fill(FrameLossSettings),
    }
    return GanSettings(**parts, **numbers)


def face_settings(**changes):
    numbers = {"adversarial_weight": 1.0, "feature_matching_weight": 5.0, "l1_weight": 20.0}
    numbers |= {"perceptual_weight": 0.0}
    return FaceGanSettings(**{**numbers, "average_decay": 0.9, "compile": False, **changes})


def schedule(**changes):
    numbers = {
        **{"seed": 3, "num_steps": 5, "max_minutes": None, "batch_size": 2, "accumulate": 1},
        **{"learning_rate": 1e-3, "constant_fraction": 0.5},
        **{"log_every_steps": 2, "sample_every_steps": 4, "checkpoint_every_steps": 2},
    }
    return Schedule(**{**numbers, **changes})


def paths(folder):
    return RunPaths(
        checkpoints=folder / "checkpoints", models=folder / "models", logs=folder / "logs"
    )


def whole(batch):
    """A batch as the only part of its step."""
    return [Part(batch=batch, places=range(len(batch.points)))]
