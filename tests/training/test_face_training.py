"""A target's face generator is trained on the main generator's roll-out."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from motiontransfer.errors import TrainingError
from motiontransfer.models.generators import FrameGenerator
from motiontransfer.training import face_gan
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.face_gan import FaceGanTask, train_face_generator
from motiontransfer.training.weights import (
    TrainedGenerator,
    read_description,
    read_face_generator,
    write_weights,
)
from tests.dancer import dance, training_clip
from tests.training.small import (
    STYLE,
    fabric,
    face_config,
    face_networks,
    face_settings,
    generator_config,
    paths,
    schedule,
)


class Brighter(FrameGenerator):
    """Stands for a main generator: each frame a little brighter than the one before."""

    def __init__(self):
        super().__init__(nn.Identity())

    def forward(self, pose_map, previous_frame):
        return previous_frame + 0.1


MAIN = TrainedGenerator(
    network=Brighter(),
    config=generator_config(),
    style=STYLE,
    held_out=HeldOut(held_out_fraction=0.2, gap_frames=0),
)


@pytest.fixture
def clips(tmp_path):
    return [
        training_clip(tmp_path / "a", dance(6), training_frames=range(5)),
        training_clip(tmp_path / "b", dance(4, seed=5)),
    ]


def train(clips, folder, *, settings=None, **changes):
    # the weights of the main generator are an input: they decide which run this is
    write_weights(
        folder / "models/generator.safetensors", nn.Linear(1, 1, bias=False), description={}
    )
    return train_face_generator(
        clips,
        fabric(),
        MAIN,
        networks=face_networks(),
        settings=settings or face_settings(),
        schedule=schedule(**changes),
        paths=paths(folder),
    )


@pytest.fixture(autouse=True)
def _same_main_weights(monkeypatch):
    torch.manual_seed(0)


def test_weights_logs_and_counts_are_there_and_the_main_generator_is_as_it_was(tmp_path, clips):
    counts = train(clips, tmp_path / "run")
    network, config = read_face_generator(tmp_path / "run/models/face_generator.safetensors")
    assert config == face_config()
    description = read_description(tmp_path / "run/models/face_generator.safetensors")
    assert description == {"face_generator": asdict(face_config())}
    numbers = sum(parameter.numel() for parameter in network.parameters())
    assert all(counts.pop(name) > 0 for name in ("minutes", "steps_per_second", "loader_share"))
    assert counts == {
        **{"steps": 5, "frames": 9, "frames_without_face": 0},
        "face_generator_parameters": numbers,
    }
    assert not list((tmp_path / "run/checkpoints").iterdir())
    assert (tmp_path / "run/logs/metrics/generator/l1.tsv").exists()


def test_pictures_of_the_training_are_real_main_and_refined(tmp_path, clips):
    train(clips, tmp_path / "run", num_steps=1)
    with Image.open(tmp_path / "run/logs/images/step_000001.png") as picture:
        shown = np.asarray(picture)
    assert shown.shape == (3 * 32, 8 * 32, 3)
    middle = shown[32:64]
    levels = [int(middle[0, 32 * i, 0]) for i in range(8)]
    # eight of nine faces: frames 0 to 3 of both clips, brighter by a tenth each
    assert levels == [140, 153, 166, 178] * 2


def test_the_roll_out_is_of_the_training_frames_and_made_once(tmp_path, clips, monkeypatch):
    made = []
    roll_out = face_gan.roll_out

    def counted(network, points, score, **options):
        made.append(len(points))
        return roll_out(network, points, score, **options)

    monkeypatch.setattr(face_gan, "roll_out", counted)
    whole_step, taken = FaceGanTask.step, []

    def step(self, share, *, step, learning_rate):
        taken.append(step)
        if len(taken) == 4:
            raise RuntimeError("the machine went down")
        return whole_step(self, share, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(FaceGanTask, "step", step)
    with pytest.raises(RuntimeError, match="went down"):
        train(clips, tmp_path / "stopped")
    assert made == [5, 4]
    torch.manual_seed(0)
    train(clips, tmp_path / "stopped")
    assert made == [5, 4]
    assert taken == [0, 1, 2, 3, 2, 3, 4]
    torch.manual_seed(0)
    train(clips, tmp_path / "whole")
    name = "models/face_generator.safetensors"
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    curve = "logs/metrics/generator/l1.tsv"
    assert (tmp_path / "stopped" / curve).read_text() == (tmp_path / "whole" / curve).read_text()


def test_what_is_kept_is_the_average(tmp_path, clips):
    weights = []
    for decay in (0.0, 0.9):
        torch.manual_seed(0)
        train(clips, tmp_path / str(decay), settings=face_settings(ema_decay=decay))
        path = tmp_path / str(decay) / "models/face_generator.safetensors"
        weights.append(path.read_bytes())
    assert weights[0] != weights[1]


def test_a_target_without_a_face_is_told(tmp_path):
    keypoints = dance(4)
    eye = keypoints.skeleton.index("left_eye")
    keypoints.score[:, eye], keypoints.points[:, eye] = 0, 0
    clip = training_clip(tmp_path / "a", keypoints)
    with pytest.raises(TrainingError, match="no training frame shows a face"):
        train([clip], tmp_path / "run")
