"""A whole project at the smallest size: what `decode` to `fit_appearance` would have made."""

from dataclasses import asdict
from pathlib import Path

import torch
import yaml

from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.models.weights import write_weights
from motiontransfer.plate.background import median_background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.target_clips import HeldOut, read_target_clips
from motiontransfer.puppet.appearance_file import write_appearance
from motiontransfer.puppet.fit.fitting import choose_references, target_appearance
from motiontransfer.retargeting.statistics import fit_statistics, write_statistics
from tests.films import add_clip, add_source
from tests.people import dance
from tests.project_files import SHIPPED, write_sections
from tests.training.small import face_config, generator_config, write_generator

ARTIFACTS = Path("artifacts")
NUM_TARGET_FRAMES, NUM_SOURCE_FRAMES = 12, 9
HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=1)

PARAMS = yaml.safe_load(SHIPPED["params.yaml"])
"""As they are shipped; what differs here is small, or worked out in a test."""
SMALL = {
    **{"steps": 2, "learning_rate": 1e-3, "precision": "32-true", "ema_decay": 0.9},
    **{"num_downsamplings": 1, "discriminator_filters": 4, "discriminator_layers": 1},
}
PAINTER = {"num_filters": 4, "num_residual_blocks": 1}
LOGGING = {"log_every_steps": 1, "sample_every_steps": 2, "checkpoint_every_steps": 1}
TRAIN_GAN = PARAMS["train_gan"] | {
    **{**SMALL, "max_minutes": None, "line_width_px": 3.0, "discriminator_scales": 1}
}
OF_FACES = SMALL | PAINTER | {"crop_size": 32}
TRAIN_FACE_GAN = PARAMS["train_face_gan"] | {
    **{**OF_FACES, "max_minutes": None, "batch_size": 1, "feature_matching_weight": 10.0}
}
TRAIN_FACE_CYCLE = PARAMS["train_face_cycle"] | OF_FACES | {"pool_size": 4}
NORMALIZATION = PARAMS["normalization"] | {"mode": "ankle"}
RENDER = PARAMS["render"] | {"precision": "32-true", "crf": 10, "contact_sheet_columns": 3}
TRANSFER = {"source": "dance", "source_subject": "ben", "target": "ada", "truth": "none"}


def write_params(**sections):
    """Write params.yaml and films.yaml; every training reads `split` and `logging`."""
    of_all = {"split": asdict(HELD_OUT), "logging": LOGGING}
    write_sections({**of_all, **sections})


def add_target():
    add_clip(ARTIFACTS, "ada", "walk", dance(NUM_TARGET_FRAMES))
    clips = read_target_clips("ada", HELD_OUT)
    with FullSizeFrames(clips) as frames:
        references = choose_references(frames, count=4)
        appearance = target_appearance(frames, median_background(frames), references)
    write_appearance(ARTIFACTS / "models/ada/appearance.safetensors", appearance)


def write_statistics_of(subject, keypoints):
    how = {"min_score": 0.3, "cluster_fraction": 0.7, "outlier_quantile": 1.0}
    write_statistics(ARTIFACTS / f"statistics/{subject}.json", fit_statistics([keypoints], **how))


def add_everything_to_render():
    """The source's clip with sound, both statistics, and untrained weights of the target."""
    target, source = dance(NUM_TARGET_FRAMES), dance(NUM_SOURCE_FRAMES, seed=7)
    add_source(ARTIFACTS, "ben", "dance", source)
    write_statistics_of("ada", target)
    write_statistics_of("ben", source)
    write_models(ARTIFACTS / "models/ada")


def write_models(models):
    """Untrained weights of a target and its face."""
    torch.manual_seed(0)
    config = generator_config(background="generated")
    network = build_generator(config, background_image=None).apply(initialize)
    write_generator(models / "generator.safetensors", config, network, split=HELD_OUT)
    write_weights(
        models / "face_generator.safetensors",
        FaceGenerator(face_config()),
        description={"face_generator": asdict(face_config())},
    )
