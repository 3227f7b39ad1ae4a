"""The stage trains a target's generator from its clips and writes what others read."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.target_clips import HeldOut
from motiontransfer.training.weights import read_generator
from stages.train_gan import main
from tests.people import SIZE
from tests.stages.project import TRAIN_GAN, add_target, write_params

MODELS = Path("artifacts/models/ada")
METRICS = Path("artifacts/metrics/train_gan/ada.json")
COARSE_TO_FINE = {"architecture": "local", "global_only_fraction": 0.5, "discriminator_scales": 2}


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(train_gan=TRAIN_GAN)
    add_target()


def test_weights_curves_and_metrics_are_where_the_pipeline_looks():
    main("ada")
    trained = read_generator(MODELS / "generator.safetensors")
    assert trained.config.size == SIZE
    assert trained.config.num_filters == 4
    assert trained.config.background == "plate"
    # A trunk of 10 px has a margin of 1.8, and the network a stride of 4.
    assert trained.config.viewport.margin_px == pytest.approx(1.8)
    assert trained.config.viewport.multiple_of == 4
    assert trained.style.line_width_px == 3
    assert trained.held_out == HeldOut(held_out_fraction=0.25, gap_frames=1)
    assert (MODELS / "discriminator.safetensors").exists()
    logs = Path("artifacts/training/ada/generator")
    assert (logs / "images/step_000002.png").exists()
    metrics = json.loads(METRICS.read_text())
    # 12 frames: 3 held out, 1 in the gap, 8 to train on make 7 windows of 2
    assert (metrics["steps"], metrics["windows"], metrics["windows_without_body"]) == (2, 7, 0)
    assert not list(Path("checkpoints/train_gan/ada").iterdir())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"window_frames": 1}, r"window_frames: .*set it to 2, or train_gan\.previous_frame to"),
        (
            {"global_only_fraction": 0.5},
            r"global_only_fraction: has no effect where architecture is not local; expected 0, got",
        ),
        (
            {"background": "generated"},
            r"viewport: person needs a background image .*viewport to frame",
        ),
        (
            {"background": "generated", "viewport": "frame"},
            r"texture: puppet needs a background image.*background to plate, .*texture to none",
        ),
        (
            {"texture": "none"},
            r"part_dropout: has no effect where texture is none; expected 0, got 0.1",
        ),
        (
            {**COARSE_TO_FINE, "steps": 1},
            r"steps: expected at least 2 where global_only_fraction .*, got 1",
        ),
        (
            {**COARSE_TO_FINE, "discriminator_scales": 1},
            r"discriminator_scales: expected at least 2 where global_only_fraction .*, got 1",
        ),
        (
            {"perceptual_file": "vgg.pth"},
            r"perceptual_file: has no effect .*expected null, got vgg",
        ),
    ],
)
def test_values_that_do_not_go_together_are_named(change, text):
    write_params(train_gan={**TRAIN_GAN, **change})
    with pytest.raises(ParamsError, match=rf"params\.yaml: train_gan\.{text}"):
        main("ada")


def test_a_local_enhancer_may_be_trained_coarse_to_fine():
    write_params(train_gan={**TRAIN_GAN, **COARSE_TO_FINE, "steps": 4})
    main("ada")
    assert json.loads(METRICS.read_text())["steps"] == 4
    assert read_generator(MODELS / "generator.safetensors").config.architecture == "local"
    logs = Path("artifacts/training/ada/generator")
    assert (logs / "global/metrics/generator/l1.tsv").exists()


def test_the_first_slices_of_the_perceptual_network_are_enough(caplog):
    torch.manual_seed(0)
    weights = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
    save_file(weights, "vgg19.safetensors")
    change = {"perceptual_weight": 10.0, "perceptual_file": "vgg19.safetensors"}
    write_params(train_gan={**TRAIN_GAN, **change})
    main("ada")
    assert "1 of 5 slices" in caplog.text
    curve = Path("artifacts/training/ada/generator/metrics/generator/perceptual.tsv")
    assert all(float(row.split("\t")[1]) > 0 for row in curve.read_text().splitlines()[1:])


def test_a_target_without_clips_is_refused():
    with pytest.raises(MissingFileError, match=r"artifacts/keypoints/eve: expected .*got none"):
        main("eve")
    assert not METRICS.exists()
