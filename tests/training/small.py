"""Networks and settings of the smallest sizes, for tests that train for a few steps."""

from lightning_fabric import Fabric

from motiontransfer.nets.face_generator import FaceGeneratorConfig
from motiontransfer.nets.frame_generator import GeneratorConfig
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.training.face_gan import FaceGanSettings
from motiontransfer.training.gan import GanSettings
from motiontransfer.training.generator_training import (
    DiscriminatorConfig,
    MainNetworks,
    RunPaths,
)
from motiontransfer.training.loop import Schedule
from tests.dancer import SIZE

STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)


def fabric():
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


def face_config(**changes):
    numbers = {"pose_channels": STYLE.num_channels, "crop_size": 32, "num_filters": 4}
    return FaceGeneratorConfig(
        **{**numbers, "num_downsamplings": 1, "num_residual_blocks": 1, **changes}
    )


def gan_settings(**changes):
    numbers = {
        **{"adversarial_weight": 1.0, "feature_matching_weight": 10.0, "l1_weight": 20.0},
        **{"near_pose_weight": 5.0, "near_pose_radius_px": 4},
        **{"previous_frame_dropout": 0.2, "average_decay": 0.9},
    }
    return GanSettings(**{**numbers, **changes})


def face_settings(**changes):
    numbers = {"adversarial_weight": 1.0, "feature_matching_weight": 5.0, "l1_weight": 20.0}
    return FaceGanSettings(**{**numbers, "average_decay": 0.9, **changes})


def schedule(**changes):
    numbers = {
        **{"seed": 3, "num_steps": 5, "batch_size": 2},
        **{"learning_rate": 1e-3, "constant_fraction": 0.5},
        **{"log_every_steps": 2, "sample_every_steps": 4, "checkpoint_every_steps": 2},
    }
    return Schedule(**{**numbers, **changes})


def paths(folder):
    return RunPaths(
        checkpoints=folder / "checkpoints", models=folder / "models", logs=folder / "logs"
    )
