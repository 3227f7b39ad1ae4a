"""The stage trains a transfer's face cycle on source and target, or says that there is none."""

import json
from pathlib import Path

import pytest

from motiontransfer.errors import MissingFileError, ParamsError, WeightsError
from motiontransfer.training.weights import read_face_translator
from stages.train_face_cycle import main
from tests.films import add_clip
from tests.people import dance
from tests.stages.project import (
    ARTIFACTS,
    NUM_SOURCE_FRAMES,
    TRAIN_FACE_CYCLE,
    TRAIN_GAN,
    TRANSFER,
    add_target,
    write_params,
)

WEIGHTS = Path("artifacts/face_cycles/ada_as_ben/face_cycle.safetensors")
METRICS = Path("artifacts/metrics/train_face_cycle/ada_as_ben.json")
LOGS = Path("artifacts/training/ada_as_ben/face_cycle")


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure()
    add_target()
    add_clip(ARTIFACTS, "ben", "dance", dance(NUM_SOURCE_FRAMES, seed=7))


def configure(**changes):
    write_params(
        train_gan=TRAIN_GAN,
        train_face_cycle={**TRAIN_FACE_CYCLE, **changes},
        transfers={"ada_as_ben": TRANSFER},
    )


def test_weights_curves_and_metrics_are_where_the_pipeline_looks():
    main("ada_as_ben")
    _, config = read_face_translator(WEIGHTS)
    assert (config.crop_size, config.num_filters, config.upsampling) == (32, 4, "resize")
    assert (LOGS / "images/step_000002.png").exists()
    assert (LOGS / "metrics/discriminator/adversarial_target.tsv").exists()
    metrics = json.loads(METRICS.read_text())
    # all of the source; of the target what the main generator is trained on: 8 of 12 frames
    assert metrics["steps"] == 2
    assert (metrics["source_faces"], metrics["target_faces"]) == (NUM_SOURCE_FRAMES, 8)
    assert not list(Path("checkpoints/train_face_cycle/ada_as_ben").iterdir())


def test_no_steps_mean_no_translator_and_need_no_inputs():
    write_params(train_face_cycle={**TRAIN_FACE_CYCLE, "steps": 0})
    main("ada_as_ben")
    with pytest.raises(WeightsError, match="holds no face translator"):
        read_face_translator(WEIGHTS)
    assert json.loads(METRICS.read_text()) == {"steps": 0}
    assert LOGS.is_dir()


@pytest.mark.parametrize("who", ["ada/walk", "ben/dance"])
def test_missing_keypoints_are_named(who):
    file = ARTIFACTS / f"keypoints/{who}.parquet"
    file.unlink()
    with pytest.raises(MissingFileError, match=str(file.parent)):
        main("ada_as_ben")
    assert not METRICS.exists()


def test_a_wrong_size_is_named():
    configure(crop_size=36)
    with pytest.raises(ParamsError, match=r"train_face_cycle\.crop_size: .*multiple of 8, got 36"):
        main("ada_as_ben")
