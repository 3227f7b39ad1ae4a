"""A face cycle of the smallest size, for tests that train for a few steps."""

from motiontransfer.models.faces import FaceTranslatorConfig
from motiontransfer.training.face_cycle import FaceClip, FaceCycleNetworks, FaceCycleSettings
from tests.dancer import training_clip

CROP_SIZE = 32


def translator_config(**changes):
    numbers = {"crop_size": CROP_SIZE, "num_filters": 4, "num_downsamplings": 1}
    return FaceTranslatorConfig(
        **{**numbers, "num_residual_blocks": 1, "upsampling": "resize", **changes}
    )


def cycle_networks(**changes):
    return FaceCycleNetworks(
        **{
            "translator": translator_config(),
            "discriminator_filters": 4,
            "discriminator_layers": 1,
            **changes,
        }
    )


def cycle_settings(**changes):
    numbers = {"cycle_weight": 10.0, "identity_weight": 5.0, "pool_size": 4}
    return FaceCycleSettings(**{**numbers, "ema_decay": 0.9, "compile": False, **changes})


def face_clip(folder, keypoints, *, used=None):
    """A clip of somebody whose face is learnt."""
    clip = training_clip(folder, keypoints, training_frames=used)
    return FaceClip(
        frames=clip.frames,
        keypoints=clip.keypoints,
        keypoints_file=clip.keypoints_file,
        used=clip.training,
    )
