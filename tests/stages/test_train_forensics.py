import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from motiontransfer.core.tensor_files import read_description
from motiontransfer.forensics.data import CORRUPTIONS
from motiontransfer.forensics.model import read_detector
from motiontransfer.models.generators import build_generator
from motiontransfer.models.weights import write_weights
from motiontransfer.pose.keypoints_file import write_keypoints
from stages.train_forensics import main
from tests.films import add_clip
from tests.people import dance
from tests.stages import project
from tests.stages.project import ARTIFACTS, PAINTER, PARAMS, SMALL
from tests.training.small import generator_config

WEIGHTS = Path("artifacts/forensics/detector.safetensors")
METRICS = Path("artifacts/counts/detector/train_forensics.json")
LOGS = Path("artifacts/training/forensics/detector")
TRAIN_FORENSICS = PARAMS["train_forensics"] | {
    **{key: one for key, one in (SMALL | PAINTER).items() if key in PARAMS["train_forensics"]},
    **{"batch_size": 2, "held_out_fraction": 0.4, "gap_frames": 1, "max_frames": 1000},
    **{"face": "none", "crop_size": 32, "num_downsamplings": 2},
}


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of_all = {"trained": ["ada"], "transfers": {"ada_as_ben": project.TRANSFER}}
    project.write_params(**of_all, train_forensics=TRAIN_FORENSICS)
    project.add_everything_to_render()
    draw_visible_weights()
    add_clip(ARTIFACTS, "ada", "walk", pacing(42))
    add_clip(ARTIFACTS, "ben", "dance", pacing(10, seed=7))
    poses = replace(pacing(10, seed=7), detector="normalised")
    write_keypoints(ARTIFACTS / "poses/ada_as_ben/poses.parquet", poses)


def pacing(num_frames, *, seed=0):
    """Keypoints of someone who walks to and fro, and so stays in view, at 8 frames a second."""
    keypoints = dance(num_frames, seed=seed)
    times = np.arange(num_frames)
    back = np.abs(times % 20 - 10) - times
    points = keypoints.points.copy()
    points[..., 0] += np.where(keypoints.score > 0, back[:, None], 0)
    return replace(keypoints, points=points, frame_rate=Fraction(8))


def draw_visible_weights():
    """Weights with which something moves where somebody does, as it does after some training."""
    torch.manual_seed(0)
    path = ARTIFACTS / "models/ada/generator.safetensors"
    description = read_description(path)
    generator = build_generator(generator_config(background="generated"), background_image=None)
    for parameter in generator.parameters():
        parameter.data *= 3
    write_weights(path, generator, description=description)


@pytest.mark.slow
def test_outputs_are_where_the_pipeline_looks_and_the_same_bytes_again():
    main("detector")
    detector = read_detector(WEIGHTS)
    assert detector.config.num_filters == 4
    assert detector.max_height == 48
    assert (LOGS / "metrics/detector/cross_entropy.tsv").exists()
    assert (LOGS / "images/step_000002.png").exists()
    assert not list(Path("checkpoints/train_forensics/detector").iterdir())
    metrics = json.loads(METRICS.read_text())
    assert metrics["steps"] == 2
    # 42 frames: 24 to train on, 17 held out, of which the first second is calibrated on
    assert metrics["trained_on"]["seconds"] == {"real": 3, "fake": 3}
    assert metrics["calibrated_on"]["seconds"] == {"real": 1, "fake": 1}
    assert metrics["tested_on"]["real"] == ["ada/walk", "ben/dance"]
    assert metrics["tested_on"]["fake"] == ["ada/ada_as_ben", "ada/walk"]
    assert "nothing can be said about renders of other subjects" in metrics["tested_on"]["what"]
    assert all(0 <= metrics[corruption]["auc"] <= 1 for corruption in CORRUPTIONS)
    assert read_description(WEIGHTS)["trained_on"]["fake"] == ["ada/walk"]
    first = WEIGHTS.read_bytes()
    WEIGHTS.unlink()
    main("detector")
    assert WEIGHTS.read_bytes() == first
