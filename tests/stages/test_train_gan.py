"""The stage trains a target's generator from its clips and writes what others read."""

import json
from pathlib import Path

import pytest

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.training.split import HeldOut
from motiontransfer.training.trained import read_generator
from stages.train_gan import main
from tests.dancer import SIZE
from tests.stages.project import TRAIN_GAN, add_target, write_params

MODELS = Path("artifacts/models/ada")
METRICS = Path("artifacts/metrics/train_gan/ada.json")


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
    # 12 frames: 3 held out, 1 in the gap, 8 to train on make 7 pairs
    assert (metrics["steps"], metrics["pairs"], metrics["pairs_without_body"]) == (2, 7, 0)
    assert not list(Path("checkpoints/train_gan/ada").iterdir())


def test_the_same_inputs_give_the_same_bytes():
    outs = []
    for _ in range(2):
        main("ada")
        files = [path for path in sorted(Path("artifacts").rglob("*")) if path.is_file()]
        outs.append({path: path.read_bytes() for path in files})
    assert outs[0] == outs[1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"stps": 3}, r"train_gan\.stps: unknown key; did you mean 'steps'"),
        ({"steps": 0}, r"train_gan\.steps: .*greater than or equal to 1, got 0"),
        ({"learning_rate": 0.0}, r"train_gan\.learning_rate: .*greater than 0, got 0\.0"),
        ({"held_out_fraction": 1.0}, r"train_gan\.held_out_fraction: .*less than 1, got 1\.0"),
        ({"previous_frame_dropout": 1.5}, r"train_gan\.previous_frame_dropout: .*, got 1\.5"),
        ({"architecture": "big"}, r"train_gan\.architecture: .*'fast' or 'global', got 'big'"),
        ({"background": "green"}, r"train_gan\.background: .*'plate' or 'generated', got 'green'"),
        ({"pose_encoding": "dots"}, r"train_gan\.pose_encoding: .*'sticks' or 'limbs', got 'dots'"),
        (
            {"precision": "16"},
            r"train_gan\.precision: .*'bf16-mixed' or '32-true', got '16'",
        ),
        ({"average_decay": 1.0}, r"train_gan\.average_decay: .*less than 1, got 1\.0"),
    ],
)
def test_a_wrong_setting_is_named(change, text):
    write_params(train_gan={**TRAIN_GAN, **change})
    with pytest.raises(ParamsError, match=text):
        main("ada")


def test_every_setting_is_required():
    for name in TRAIN_GAN:
        write_params(train_gan={key: value for key, value in TRAIN_GAN.items() if key != name})
        with pytest.raises(ParamsError, match=rf"train_gan\.{name}: field required"):
            main("ada")


def test_a_target_without_clips_is_told():
    with pytest.raises(MissingFileError, match=r"artifacts/keypoints/eve: expected .*got none"):
        main("eve")
    assert not METRICS.exists()
