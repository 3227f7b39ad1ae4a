"""The stage trains a target's face generator on top of its main one, or says that there is none."""

import json
from pathlib import Path

import pytest

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.training.weights import read_face_generator
from stages import train_gan
from stages.train_face_gan import main
from tests.stages.project import TRAIN_FACE_GAN, TRAIN_GAN, add_target, write_params

MODELS = Path("artifacts/models/ada")
METRICS = Path("artifacts/metrics/train_face_gan/ada.json")
LOGS = Path("artifacts/training/ada/face_generator")


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(train_gan=TRAIN_GAN, train_face_gan=TRAIN_FACE_GAN)
    add_target()


def test_weights_curves_and_metrics_are_where_the_pipeline_looks():
    train_gan.main("ada")
    main_weights = (MODELS / "generator.safetensors").read_bytes()
    main("ada")
    _, config = read_face_generator(MODELS / "face_generator.safetensors")
    assert (config.crop_size, config.num_filters) == (32, 4)
    assert (MODELS / "generator.safetensors").read_bytes() == main_weights
    assert (LOGS / "images/step_000002.png").exists()
    assert (LOGS / "metrics/discriminator/adversarial.tsv").exists()
    metrics = json.loads(METRICS.read_text())
    # the main generator's split holds: 8 of 12 frames
    assert (metrics["steps"], metrics["faces"], metrics["frames_without_face"]) == (2, 8, 0)
    assert not list(Path("checkpoints/train_face_gan/ada").iterdir())


def test_the_recipe_of_the_released_code_is_noted_in_the_weights():
    changes = {"previous_frame": "corrected", "full_frame_weight": 1.0}
    write_params(
        train_gan={**TRAIN_GAN, "viewport": "frame"}, train_face_gan={**TRAIN_FACE_GAN, **changes}
    )
    train_gan.main("ada")
    main("ada")
    _, config = read_face_generator(MODELS / "face_generator.safetensors")
    assert config.previous_frame == "corrected"
    assert json.loads(METRICS.read_text())["windows"] == 7  # of 8 frames
    for loss in ("adversarial", "full_frame_adversarial", "full_frame_feature_matching"):
        assert (LOGS / f"metrics/generator/{loss}.tsv").exists()


@pytest.mark.parametrize(
    ("of_main", "change", "text"),
    [
        (
            {"previous_frame": "none", "window_frames": 1},
            {"previous_frame": "corrected"},
            r"train_face_gan\.previous_frame: has no effect .* expected generated, got corrected",
        ),
        (
            {"previous_frame": "none", "window_frames": 1},
            {"full_frame_weight": 1.0},
            r"train_face_gan\.full_frame_weight: needs discriminators of frame pairs",
        ),
        (
            {"viewport": "person"},
            {"full_frame_weight": 1.0},
            r"train_face_gan: .*full_frame_weight.*whole frames; set train_gan\.viewport to frame",
        ),
    ],
)
def test_what_cannot_go_with_the_main_generator_is_named(of_main, change, text):
    write_params(
        train_gan={**TRAIN_GAN, "viewport": "frame", **of_main},
        train_face_gan={**TRAIN_FACE_GAN, **change},
    )
    with pytest.raises(ParamsError, match=text):
        main("ada")


def test_no_steps_mean_no_face_generator_and_need_no_inputs():
    write_params(train_gan=TRAIN_GAN, train_face_gan={**TRAIN_FACE_GAN, "steps": 0})
    main("ada")
    assert read_face_generator(MODELS / "face_generator.safetensors") is None
    assert json.loads(METRICS.read_text()) == {"steps": 0}
    assert LOGS.is_dir()


def test_a_missing_main_generator_is_named():
    with pytest.raises(MissingFileError, match=r"models/ada/generator\.safetensors: no such"):
        main("ada")
    assert not METRICS.exists()


def test_missing_perceptual_weights_are_named_with_the_keys_of_this_section():
    train_gan.main("ada")
    change = {"perceptual_weight": 10.0, "perceptual_file": "nowhere/vgg19.pth"}
    write_params(train_gan=TRAIN_GAN, train_face_gan={**TRAIN_FACE_GAN, **change})
    text = r"nowhere/vgg19\.pth: no such file.* or set train_face_gan\.perceptual_weight to 0"
    with pytest.raises(MissingFileError, match=text):
        main("ada")


@pytest.mark.parametrize("steps", [0, 2])
def test_perceptual_weights_that_are_not_needed_are_named(steps):
    change = {"steps": steps, "perceptual_file": "vgg19.pth"}
    write_params(train_gan=TRAIN_GAN, train_face_gan={**TRAIN_FACE_GAN, **change})
    text = r"train_face_gan\.perceptual_file: has no effect .*expected null, got vgg19\.pth"
    with pytest.raises(ParamsError, match=text):
        main("ada")


def test_a_wrong_size_is_named():
    write_params(train_gan=TRAIN_GAN, train_face_gan={**TRAIN_FACE_GAN, "crop_size": 36})
    with pytest.raises(ParamsError, match=r"train_face_gan\.crop_size: .*multiple of 8, got 36"):
        main("ada")
