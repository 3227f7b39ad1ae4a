"""A whole project at the smallest size: what `decode` to `fit_appearance` would have made."""

from dataclasses import asdict
from pathlib import Path

import torch
import yaml

from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.puppet.appearance import write_appearance
from motiontransfer.puppet.background import median_background
from motiontransfer.puppet.fitting import target_appearance
from motiontransfer.retargeting.statistics import fit_statistics, write_statistics
from motiontransfer.target_clips import HeldOut, read_target_clips
from motiontransfer.training.weights import write_weights
from tests.films import add_clip, add_source
from tests.people import dance
from tests.training.small import STYLE, face_config, generator_config

ARTIFACTS = Path("artifacts")
NUM_TARGET_FRAMES, NUM_SOURCE_FRAMES = 12, 9
HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=1)

TRAINING = {
    **{"seed": 0, "steps": 2, "max_minutes": None, "batch_size": 1},
    **{"learning_rate": 1e-3, "lr_decay_start": 0.5},
    **{"devices": "auto", "precision": "32-true", "compile": False},
    **{"num_filters": 4, "num_downsamplings": 1},
    **{"num_residual_blocks": 1, "discriminator_filters": 4, "discriminator_layers": 1},
    **{"adversarial_weight": 1.0, "feature_matching_weight": 10.0, "l1_weight": 20.0},
    **{"perceptual_weight": 0.0, "perceptual_file": None},
    **{"ema_decay": 0.9, "log_every_steps": 1, "sample_every_steps": 2},
    "checkpoint_every_steps": 1,
}
TRAIN_GAN = {
    **TRAINING,
    **{**asdict(HELD_OUT), "pose_encoding": "limbs"},
    **{"line_width_px": 3.0, "architecture": "fast", "background": "plate", "max_channels": 8},
    "viewport": "person",
    **{"global_only_fraction": 0.0},
    **{"discriminator_scales": 1, "foreground_l1_weight": 5.0, "foreground_radius_px": 4},
    **{"window_frames": 2, "conditioning_poses": 1, "limb_dropout": 0.0},
    **{"texture": "puppet", "part_dropout": 0.1},
    **{"previous_frame": "generated"},
    **{"upsampling": "resize"},
    **{"objective": "least_squares", "heatmap_sigma_px": 1.0, "frame_discriminator": False},
}
TRAIN_FACE_GAN = {
    **{**TRAINING, "crop_size": 32},
    **{"previous_frame": "generated", "full_frame_weight": 0.0, "objective": "least_squares"},
}
TRAIN_FACE_CYCLE = {
    **{
        key: value
        for key, value in TRAIN_FACE_GAN.items()
        if not key.endswith(("_weight", "_file", "_frame", "objective"))
    },
    **{"upsampling": "resize", "cycle_weight": 10.0, "identity_weight": 5.0, "pool_size": 4},
}
NORMALIZATION = {
    **{"mode": "ankle", "centring": "median"},
    **{"smoothing": "none", "smoothing_frames": 7},
}
RENDER = {
    **{"face": "residual", "face_blending": "feather", "precision": "32-true", "height": None},
    **{"crf": 10, "contact_sheet_columns": 3, "provenance": "c2pa", "visible_label": "none"},
}
TRANSFER = {"source": "dance", "source_subject": "ben", "target": "ada", "truth": "none"}


def write_params(**sections):
    """Write params.yaml of these sections."""
    Path("params.yaml").write_text(yaml.safe_dump(sections))


def add_target():
    """Frames, keypoints and appearance of the target."""
    add_clip(ARTIFACTS, "ada", "walk", dance(NUM_TARGET_FRAMES))
    clips = read_target_clips("ada", HELD_OUT)
    appearance = target_appearance(clips, median_background(clips), num_references=4)
    write_appearance(ARTIFACTS / "appearance/ada.safetensors", appearance)


def add_everything_to_render():
    """The source's clip with sound, both statistics, and untrained weights of the target."""
    target, source = dance(NUM_TARGET_FRAMES), dance(NUM_SOURCE_FRAMES, seed=7)
    add_source(ARTIFACTS, "ben", "dance", source)
    for subject, keypoints in (("ada", target), ("ben", source)):
        statistics = fit_statistics(
            [keypoints], min_score=0.3, cluster_fraction=0.7, outlier_quantile=1.0
        )
        write_statistics(ARTIFACTS / f"statistics/{subject}.json", statistics)
    write_models(ARTIFACTS / "models/ada")


def write_models(models):
    """Untrained weights of a target and its face."""
    torch.manual_seed(0)
    config = generator_config(background="generated")
    write_weights(
        models / "generator.safetensors",
        build_generator(config, background_image=None).apply(initialize),
        description={
            "generator": asdict(config),
            "pose_map": asdict(STYLE),
            "held_out": asdict(HELD_OUT),
        },
    )
    write_weights(
        models / "face_generator.safetensors",
        FaceGenerator(face_config()),
        description={"face_generator": asdict(face_config())},
    )
