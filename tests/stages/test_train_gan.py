"""The stage trains a target's generator from its clips and writes what others read."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.weights import read_generator
from stages.train_gan import main
from tests.dancer import SIZE
from tests.digests import digests
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
    assert trained.style.line_width_px == 3
    assert trained.held_out == HeldOut(held_out_fraction=0.25, gap_frames=1)
    assert (MODELS / "discriminator.safetensors").exists()
    logs = Path("artifacts/training/ada/generator")
    assert (logs / "images/step_000002.png").exists()
    curve = (logs / "metrics/generator/l1.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in curve] == ["step", "1", "2"]
    metrics = json.loads(METRICS.read_text())
    # 12 frames: 3 held out, 1 in the gap, 8 to train on make 7 windows of 2
    assert (metrics["steps"], metrics["windows"], metrics["windows_without_body"]) == (2, 7, 0)
    assert not list(Path("checkpoints/train_gan/ada").iterdir())


def test_the_same_inputs_give_the_same_bytes():
    outs, metrics = [], []
    for _ in range(2):
        main("ada")
        outs.append(digests(Path("artifacts")))
        del outs[-1][METRICS.relative_to("artifacts").as_posix()]
        metrics.append(json.loads(METRICS.read_text()))
    assert outs[0] == outs[1]
    measured = {name for name in metrics[0] if metrics[0][name] != metrics[1][name]}
    assert measured <= {"minutes", "steps_per_second", "loader_share"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"stps": 3}, r"train_gan\.stps: unknown key; did you mean 'steps'"),
        ({"steps": 0}, r"train_gan\.steps: .*greater than or equal to 1, got 0"),
        ({"learning_rate": 0.0}, r"train_gan\.learning_rate: .*greater than 0, got 0\.0"),
        ({"held_out_fraction": 1.0}, r"train_gan\.held_out_fraction: .*less than 1, got 1\.0"),
        ({"limb_dropout": 1.5}, r"train_gan\.limb_dropout: .*, got 1\.5"),
        ({"architecture": "big"}, r"train_gan\.architecture: .*'fast'.*, got 'big'"),
        ({"background": "green"}, r"train_gan\.background: .*'plate' or 'generated', got 'green'"),
        ({"pose_encoding": "dots"}, r"train_gan\.pose_encoding: .*'sticks'.*, got 'dots'"),
        (
            {"precision": "16"},
            r"train_gan\.precision: .*'bf16-mixed' or '32-true', got '16'",
        ),
        ({"max_minutes": 0}, r"train_gan\.max_minutes: .*greater than 0, got 0"),
        ({"devices": 0}, r"train_gan\.devices.*greater than or equal to 1, got 0"),
        ({"devices": "gpu"}, r"train_gan\.devices.*'auto', got 'gpu'"),
        ({"compile": "always"}, r"train_gan\.compile: .*boolean.*, got 'always'"),
        ({"ema_decay": 1.0}, r"train_gan\.ema_decay: .*less than 1, got 1\.0"),
    ],
)
def test_a_wrong_setting_is_named(change, text):
    write_params(train_gan={**TRAIN_GAN, **change})
    with pytest.raises(ParamsError, match=text):
        main("ada")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"window_frames": 1},
            r"window_frames: in windows of 1 .*set train_gan\.previous_frame to",
        ),
        (
            {"previous_frame": "none", "detach_previous_frame": True},
            r"detach_previous_frame: has no effect .*; expected false, got true",
        ),
        (
            {"global_only_fraction": 0.5},
            r"global_only_fraction: has no effect where architecture is not local; expected 0, got",
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
    for part in (logs, logs / "global"):
        curve = (part / "metrics/generator/l1.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in curve] == ["step", "1", "2"]


def test_frames_may_be_made_and_judged_each_by_itself():
    alone = {"window_frames": 1, "previous_frame": "none"}
    write_params(train_gan={**TRAIN_GAN, **alone})
    main("ada")
    assert json.loads(METRICS.read_text())["windows"] == 8
    assert read_generator(MODELS / "generator.safetensors").config.previous_frame == "none"


def test_missing_perceptual_weights_are_told_before_training():
    change = {"perceptual_weight": 10.0, "perceptual_file": "nowhere/vgg19.pth"}
    write_params(train_gan={**TRAIN_GAN, **change})
    with pytest.raises(MissingFileError, match=r"nowhere/vgg19\.pth: no such file"):
        main("ada")


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


def test_every_setting_is_required():
    for name in TRAIN_GAN:
        write_params(train_gan={key: value for key, value in TRAIN_GAN.items() if key != name})
        with pytest.raises(ParamsError, match=rf"train_gan\.{name}: field required"):
            main("ada")


def test_a_target_without_clips_is_told():
    with pytest.raises(MissingFileError, match=r"artifacts/keypoints/eve: expected .*got none"):
        main("eve")
    assert not METRICS.exists()
