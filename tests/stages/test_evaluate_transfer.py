import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import nn

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.measurements import nested, read_measurements
from motiontransfer.keypoints import write_keypoints
from motiontransfer.training.weights import write_weights
from motiontransfer.video.frame_store import FrameWriter
from motiontransfer.video.writer import write_video
from stages import evaluate_transfer
from tests.evaluation.conftest import keypoints_of

_PARAMS = """\
transfers:
  with_truth: {source: dance, source_subject: ben, target: ada, truth: real.mp4}
  without: {source: dance, source_subject: ben, target: ada, truth: none}
evaluate_transfer: {box_margin: 0.1}
compute: {backend: local, address: null, num_workers: 1}
"""
TABLE = Path("artifacts/measurements/evaluate_transfer/with_truth.parquet")
_SIZE = (48, 63)  # odd: the finished video is one pixel wider


def _walk(num_frames, x=20.0):
    joints = {"nose": (x, 10), "left_hip": (x + 4, 30), "left_ankle": (x + 4, 44)}
    frames = range(num_frames)
    return keypoints_of(
        [{name: (x + 2 * i, y) for name, (x, y) in joints.items()} for i in frames], _SIZE
    )


def _frames(num_frames, x=20):
    for index in range(num_frames):
        frame = np.full((*_SIZE, 3), 90, np.uint8)
        frame[10:45, x + 2 * index : x + 6 + 2 * index] = 200
        yield frame


def _store(path, frames):
    with FrameWriter(path, size=_SIZE, frame_rate=Fraction(25)) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A finished transfer of six frames whose result is nearly the truth."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(_PARAMS)
    write_keypoints(Path("artifacts/keypoints/ada/walk.parquet"), _walk(10, x=16))
    _store(Path("artifacts/frames/ada/walk/frames.mkv"), _frames(10, x=16))
    _store(Path("artifacts/frames/ben/dance/frames.mkv"), _frames(6))
    held_out = {"held_out_fraction": 0.5, "gap_frames": 1}
    write_weights(
        Path("artifacts/models/ada/generator.safetensors"),
        nn.Linear(1, 1),
        description={"held_out": held_out},
    )
    rate = Fraction(25)
    write_video(Path("data/truth/real.mp4"), _frames(6), frame_rate=rate, sound=None, crf=1)
    for name in ("with_truth", "without"):
        write_keypoints(Path(f"artifacts/poses/{name}.parquet"), _walk(6))
        write_video(
            Path(f"results/{name}/transfer.mp4"), _frames(6), frame_rate=rate, sound=None, crf=18
        )
    monkeypatch.setattr(comparison, "detect_person", lambda video, **_: _walk(6))


def _metrics(name):
    return json.loads(Path(f"results/{name}/metrics.json").read_text())


def test_a_transfer_with_ground_truth(project):
    evaluate_transfer.main("with_truth")
    metrics = _metrics("with_truth")
    assert metrics["frames"] == 6
    ours, nearest = metrics["truth"]["ours"], metrics["truth"]["nearest_neighbours"]
    assert ours["person"]["ssim"] > 0.95 > nearest["person"]["ssim"]
    assert ours["person"]["l1"] < 4 < nearest["person"]["l1"]
    assert metrics["detection"]["ours"]["body_found"] == 1
    folder = Path("artifacts/evaluation_transfer/with_truth")
    assert len(pd.read_csv(folder / "per_frame.csv")) == 6
    assert {path.name for path in folder.iterdir()} == {
        "per_frame.csv",
        "curves.png",
        "worst_frames.png",
    }
    assert nested(read_measurements(TABLE)) == metrics
    curve = pd.read_csv("artifacts/curves/with_truth/truth_ssim_person.csv")
    assert list(curve) == ["frame_index", "ours", "nearest_neighbours"]


def test_without_ground_truth_and_without_held_out_frames_in_the_baseline(project):
    """The source walks to where the target is only in the tail that is held out."""
    evaluate_transfer.main("without")
    assert set(_metrics("without")) == {"frames", "detection", "temporal", "identity"}
    table = pd.read_csv("artifacts/evaluation_transfer/without/per_frame.csv")
    # training frames are 0 to 3, with the figure at 16 to 22; the poses go from 20 to 30
    assert table["detection_nearest_neighbours_pose_distance_px_all"].tolist() == [0, 0, 2, 4, 6, 8]


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(project):
    outs = [
        Path("results/with_truth/metrics.json"),
        *(
            Path("artifacts/evaluation_transfer/with_truth") / name
            for name in ("per_frame.csv", "curves.png", "worst_frames.png")
        ),
        TABLE,
    ]
    contents = []
    for _ in range(2):
        evaluate_transfer.main("with_truth")
        contents.append([path.read_bytes() for path in outs])
    assert contents[0] == contents[1]


def test_missing_inputs_are_named(project):
    with pytest.raises(ParamsError, match=r"transfers\.unknown: missing"):
        evaluate_transfer.main("unknown")
    Path("data/truth/real.mp4").unlink()
    with pytest.raises(MissingFileError, match=r"data/truth/real\.mp4"):
        evaluate_transfer.main("with_truth")
    Path("results/without/transfer.mp4").unlink()
    with pytest.raises(MissingFileError, match=r"results/without/transfer\.mp4"):
        evaluate_transfer.main("without")
